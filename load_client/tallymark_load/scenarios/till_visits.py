"""Visits at a till: a sale in two calls, with a yes on the phone where the policy wants it."""

from collections.abc import Sequence
from typing import Final

from tallymark.v1 import action_pb2, money_pb2, process_pb2, terminal_service_pb2
from tallymark_load.request_ids import new_request_id
from tallymark_load.scenarios.actions import burn, charge, charge_rest, earn, euro, pay_bill
from tallymark_load.scenarios.terminal import resolve_request
from tallymark_load.scenarios.visit import COMPLETED, Visit, ending_of

__all__ = [
    "give_up",
    "pay",
    "pay_a_bill",
    "pay_at_bound_till",
    "pay_while_watching",
    "pay_with_a_yes",
    "pay_with_points",
    "repeat",
    "say_no",
    "show_code_again",
    "take_back",
]

_AT_ONCE_MILLISECONDS: Final = 1
"""Wait for a till that wants to know at once whether the phone asks."""


async def pay(visit: Visit) -> str:
    """Pay by card, collect points, and say yes on the phone if it asks."""
    process = await _decided(visit, await _sell(visit, _sale(visit)))
    return await _completed(visit, process)


async def pay_with_points(visit: Visit) -> str:
    """Let points take something off the price, pay the rest by card."""
    points = visit.draw("points")
    total = euro(visit.draw("cents") + points)
    actions = [burn(points), charge_rest()]
    process = await _decided(visit, await _sell(visit, actions, sale_total=total))
    return await _completed(visit, process)


async def pay_a_bill(visit: Visit) -> str:
    """Get a bill, and pay it by card at the till."""
    reference = f"bill-{new_request_id()}"
    amount = euro(visit.draw("cents"))
    customer, merchant = visit.phone.customer, visit.terminal.merchant
    await visit.operator.bill(visit.chain, customer, merchant, reference, amount)
    await visit.chain.think()
    actions = [pay_bill(reference), charge_rest()]
    process = await _decided(visit, await _sell(visit, actions))
    return await _completed(visit, process)


async def pay_at_bound_till(visit: Visit) -> str:
    """Read the till's tag, and pay with a code that is good there alone."""
    tag = await visit.terminal.tag(visit.chain)
    await visit.chain.think()
    code = await visit.phone.issue(visit.chain, terminal_tag=tag)
    await visit.chain.think()
    process = await visit.terminal.resolve(visit.chain, resolve_request(code, _sale(visit)))
    return await _completed(visit, await _decided(visit, process))


async def pay_while_watching(visit: Visit) -> str:
    """Pay with the phone in the hand: it shows the receipt as soon as there is one."""
    async with visit.phone.watching(visit.chain) as watch:
        process = await _decided(visit, await _sell(visit, _sale(visit)))
        ending = await _completed(visit, process)
        if ending == COMPLETED:
            state = process_pb2.PROCESS_STATE_COMPLETED
            await watch.until(process.process_id, state, since_ns=visit.chain.due_ns)
    receipt = await visit.phone.receipt(visit.chain, process.process_id)
    return ending if receipt.receipt_number == process.process_id else "OTHER RECEIPT"


async def pay_with_a_yes(visit: Visit) -> str:
    """Pay so much that the phone asks, look at the amount, and sign a yes."""
    process = await _sell(visit, _sale(visit), wait_milliseconds=_AT_ONCE_MILLISECONDS)
    return await _completed(visit, await _decided(visit, process))


async def say_no(visit: Visit) -> str:
    """See the amount on the phone, and say no."""
    actions = [charge(visit.draw("cents"))]
    process = await _sell(visit, actions, wait_milliseconds=_AT_ONCE_MILLISECONDS)
    return ending_of(await _decided(visit, process, approve=False))


async def give_up(visit: Visit) -> str:
    """Leave the till after the card was authorised: the till gives the sale up."""
    process = await _decided(visit, await _sell(visit, _sale(visit)))
    await visit.chain.think()
    answer = await visit.terminal.reverse(visit.chain, process.process_id, "customer left")
    return ending_of(answer.process)


async def take_back(visit: Visit) -> str:
    """Pay, and bring the goods back."""
    process = await _decided(visit, await _sell(visit, _sale(visit)))
    ending = await _completed(visit, process)
    if ending != COMPLETED:
        return ending
    await visit.chain.think()
    answer = await visit.terminal.reverse(visit.chain, process.process_id, "goods returned")
    contract = terminal_service_pb2
    if answer.outcome not in {
        contract.REVERSAL_OUTCOME_COMPENSATED,
        contract.REVERSAL_OUTCOME_COMPENSATING,
    }:
        return contract.ReversalOutcome.Name(answer.outcome)
    visit.points = 0
    return "TAKEN BACK"


async def repeat(visit: Visit) -> str:
    """Pay at a till that lost the answer: it asks what became of the scan, and scans again."""
    code = await visit.phone.issue(visit.chain)
    await visit.chain.think()
    request = resolve_request(code, _sale(visit))
    first = await visit.terminal.resolve(visit.chain, request)
    found = await visit.terminal.process(visit.chain, first.process_id)
    second = await visit.terminal.resolve(visit.chain, request)
    if not first.process_id == found.process_id == second.process_id:
        return "ANOTHER PROCESS"
    return await _completed(visit, await _decided(visit, second))


async def show_code_again(visit: Visit) -> str:
    """Pay, and show the dead code at the next till."""
    code = await visit.phone.issue(visit.chain)
    await visit.chain.think()
    process = await visit.terminal.resolve(visit.chain, resolve_request(code, _sale(visit)))
    ending = await _completed(visit, await _decided(visit, process))
    again = resolve_request(code, _sale(visit))
    await visit.other_terminal.resolve_in_vain(visit.chain, again, expected="CODE_ALREADY_CLAIMED")
    return ending


def _sale(visit: Visit) -> list[action_pb2.Action]:
    return [charge(visit.draw("cents")), earn(visit.draw("points"))]


async def _sell(
    visit: Visit,
    actions: Sequence[action_pb2.Action],
    *,
    sale_total: money_pb2.Money | None = None,
    wait_milliseconds: int = 0,
) -> process_pb2.Process:
    code = await visit.phone.issue(visit.chain)
    await visit.chain.think()
    request = resolve_request(
        code, actions, sale_total=sale_total, wait_milliseconds=wait_milliseconds
    )
    return await visit.terminal.resolve(visit.chain, request)


async def _decided(
    visit: Visit, process: process_pb2.Process, *, approve: bool = True
) -> process_pb2.Process:
    """Have the customer answer if the process waits for that, and wait until it is decided."""
    chain = visit.chain
    if process.state == process_pb2.PROCESS_STATE_AWAITING_CUSTOMER:
        async with visit.phone.watching(chain) as watch:
            state = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
            shown = await watch.until(process.process_id, state, since_ns=chain.due_ns)
        await chain.think()
        await visit.phone.answer(chain, shown, approve=approve)
        return await visit.terminal.watch_decision(chain, process.process_id)
    if process.state == process_pb2.PROCESS_STATE_AUTHORISING:
        return await visit.terminal.watch_decision(chain, process.process_id)
    return process


async def _completed(visit: Visit, process: process_pb2.Process) -> str:
    """Hand the goods over and report that, if there is something to hand over."""
    if process.state != process_pb2.PROCESS_STATE_INSTRUCTED:
        return ending_of(process)
    await visit.chain.think()
    visit.note_points(await visit.terminal.complete(visit.chain, process.process_id))
    return COMPLETED
