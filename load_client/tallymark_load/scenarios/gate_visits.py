"""Visits at a gate: one call lets the holder of a ticket in, and completes by itself."""

from tallymark.v1 import customer_service_pb2, identification_pb2, process_pb2
from tallymark_load.cast.furnishing import ENTRIES, ticket_id
from tallymark_load.scenarios.actions import admit
from tallymark_load.scenarios.terminal import resolve_request
from tallymark_load.scenarios.visit import Visit, ending_of

__all__ = ["ask_at_wrong_gate", "enter", "enter_twice"]


async def enter(visit: Visit) -> str:
    """Show a code for a ticket at the gate, and pass."""
    return ending_of(await _scan(visit, await _ticket_code(visit)))


async def enter_twice(visit: Visit) -> str:
    """Pass, and show the same code at the next gate, for a friend."""
    code = await _ticket_code(visit)
    process = await _scan(visit, code)
    await visit.chain.think()
    again = resolve_request(code, [admit(visit.terminal.merchant.event_id)], completes=True)
    await visit.other_terminal.resolve_in_vain(visit.chain, again, expected="CODE_ALREADY_CLAIMED")
    return ending_of(process)


async def ask_at_wrong_gate(visit: Visit) -> str:
    """Show a code for everything at a gate that asks for an event of somebody else."""
    code = await visit.phone.issue(visit.chain)
    await visit.chain.think()
    elsewhere = f"{visit.terminal.merchant.event_id}-elsewhere"
    request = resolve_request(code, [admit(elsewhere)], completes=True)
    return ending_of(await visit.terminal.resolve(visit.chain, request))


async def _ticket_code(visit: Visit) -> str:
    phone = visit.phone
    choice = customer_service_pb2.TicketChoice(
        event_id=visit.terminal.merchant.event_id,
        ticket_id=ticket_id(phone.customer, phone.entries_used // ENTRIES + 1),
    )
    phone.entries_used += 1
    purpose = identification_pb2.CODE_PURPOSE_TICKET
    code = await phone.issue(visit.chain, purpose, ticket=choice)
    await visit.chain.think()
    return code


async def _scan(visit: Visit, code: str) -> process_pb2.Process:
    request = resolve_request(code, [admit(visit.terminal.merchant.event_id)], completes=True)
    return await visit.terminal.resolve(visit.chain, request)
