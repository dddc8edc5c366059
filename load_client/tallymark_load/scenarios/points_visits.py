"""Visits that move points and nothing else."""

from tallymark.v1 import identification_pb2, process_pb2
from tallymark_load.scenarios.actions import earn, read_points
from tallymark_load.scenarios.terminal import Terminal, resolve_request
from tallymark_load.scenarios.visit import COMPLETED, Visit, ending_of

__all__ = ["collect", "collect_on_stream", "recount", "recount_on_stream"]


async def collect(visit: Visit) -> str:
    """Collect points at a till that needs one call for it."""
    return await _collect(visit, visit.terminal)


async def collect_on_stream(visit: Visit) -> str:
    """Collect points at a till whose commands go over a stream."""
    return await _collect(visit, visit.streamed)


async def recount(visit: Visit) -> str:
    """Report a balance many times while the customer plays at a machine, then complete."""
    return await _recount(visit, visit.terminal)


async def recount_on_stream(visit: Visit) -> str:
    """Report a balance many times over a stream that all machines share, then complete."""
    return await _recount(visit, visit.streamed)


async def _collect(visit: Visit, terminal: Terminal) -> str:
    points = visit.draw("points")
    purpose = identification_pb2.CODE_PURPOSE_POINTS
    code = await visit.phone.issue(visit.chain, purpose)
    await visit.chain.think()
    request = resolve_request(code, [earn(points)], completes=True)
    process = await terminal.resolve(visit.chain, request)
    ending = ending_of(process)
    visit.points += points if ending == COMPLETED else 0
    return ending


async def _recount(visit: Visit, terminal: Terminal) -> str:
    purpose = identification_pb2.CODE_PURPOSE_POINTS
    code = await visit.phone.issue(visit.chain, purpose)
    await visit.chain.think()
    request = resolve_request(code, [read_points()])
    process = await terminal.resolve(visit.chain, request)
    if process.state != process_pb2.PROCESS_STATE_INSTRUCTED:
        return ending_of(process)
    held = process.actions[0].instruction.read_points
    balance = held.balance
    for _ in range(visit.draw("updates")):
        await visit.chain.think()
        balance += visit.draw("points")
        await terminal.update_points(
            visit.chain, process.process_id, version=held.version, new_balance=balance
        )
    visit.note_points(await terminal.complete(visit.chain, process.process_id))
    return COMPLETED if visit.points == balance - held.balance else "OTHER BALANCE"
