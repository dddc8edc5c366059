"""What a repetition says: the first answer, never what the first one has made of the world."""

import asyncio
from typing import Any

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark_server.domain import decide
from tests.doubles.mutant import Mutant, plant
from tests.world.actions import ADMIT, burn, charge, earn, pay_bill
from tests.world.messages import by_request, new_id
from tests.world.shop import Shop
from tests.world.terminal import Terminal

A_DAY = 86_400

TIMES = 8
"""A thing is done and undone so often."""

APPROVED_LATER = 77_68
"""The simulated institution approves this amount after 8 seconds."""

NOT_LOOKED_FOR = Mutant(decide, "decide", "if earlier is not None:", "if False:")
"""The stored answer is not looked for."""


async def pass_gate(gate: Terminal, request: t.ResolveCodeRequest) -> p.Process:
    process: p.Process = (await gate.call("ResolveCode", request)).process
    return process


async def test_a_retry_at_a_gate_is_admitted_again_by_the_first_answer(kept_shop: Shop) -> None:
    """Elsewhere the ticket's only entry was counted, so the retry was refused by the rule."""
    gate = await kept_shop.world.add_terminal("gate-north")
    request = gate.resolve_request(
        await kept_shop.phone.issue(), ADMIT, complete_on_instruction=True
    )

    first = await pass_gate(gate, request)
    retries = await asyncio.gather(*(pass_gate(gate, request) for _ in range(4)))
    kept_shop.world.clock.move(seconds=A_DAY)
    late = await pass_gate(gate, request)

    assert first.state == p.PROCESS_STATE_COMPLETED
    assert all(answer == first for answer in (*retries, late))
    assert (await kept_shop.phone.wallet()).tickets[0].entries_used == 1


async def test_a_retry_at_a_gate_that_is_decided_anew_would_be_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = await shop.world.add_terminal("gate-north")
    request = gate.resolve_request(await shop.phone.issue(), ADMIT, complete_on_instruction=True)
    await pass_gate(gate, request)
    plant(NOT_LOOKED_FOR, monkeypatch)

    assert await gate.reason("ResolveCode", request) == "CODE_ALREADY_CLAIMED"


async def test_a_scan_anew_tells_when_and_where_and_a_retry_tells_the_first_answer(
    kept_shop: Shop,
) -> None:
    """Elsewhere both were told alike, so a gate could not tell a lost answer from a copy."""
    north = await kept_shop.world.add_terminal("gate-north")
    south = await kept_shop.world.add_terminal("gate-south")
    began_at = kept_shop.world.clock.milliseconds // 1_000
    request = north.resolve_request(
        await kept_shop.phone.issue(), ADMIT, complete_on_instruction=True
    )
    first = await pass_gate(north, request)
    kept_shop.world.clock.move(seconds=90)

    refused = await pass_gate(south, south.resolve_request(await kept_shop.phone.issue(), ADMIT))
    retried = await pass_gate(north, request)

    assert refused.refusal.reason == a.REFUSAL_REASON_ALREADY_ADMITTED
    assert refused.refusal.first_use.terminal_id == "gate-north"
    assert refused.refusal.first_use.used_at.seconds == began_at
    assert retried == first


async def test_the_same_code_under_a_new_id_is_not_a_retry(shop: Shop) -> None:
    code = await shop.phone.issue()
    await shop.till.resolve(code, burn(1))

    again = await shop.till.reason("ResolveCode", shop.till.resolve_request(code, burn(1)))

    assert again == "CODE_ALREADY_CLAIMED"


@pytest.mark.parametrize(
    "actions",
    [
        [ADMIT],
        [burn(100)],
        [earn(7)],
        [pay_bill("B-7")],
        [charge(500)],
        [charge(500), ADMIT, burn(100), earn(7), pay_bill("B-7")],
    ],
    ids=["ticket", "points spent", "points earned", "bill", "charge", "all at once"],
)
async def test_what_was_undone_can_be_done_any_number_of_times(
    kept_shop: Shop, actions: list[a.Action]
) -> None:
    """Elsewhere the second redemption after an undo met the first one's record and was refused."""
    before = await _worth(kept_shop)

    for number in range(TIMES):
        process = await kept_shop.scan(*actions)
        assert process.state == p.PROCESS_STATE_INSTRUCTED, number
        if number % 2:  # every other one was executed before it is taken back
            await kept_shop.till.complete(process.process_id)
            await kept_shop.world.settle()
            assert await _worth(kept_shop) != before
        reversal = await kept_shop.till.reverse(process.process_id)
        await kept_shop.world.settle()
        assert reversal.outcome in {
            t.REVERSAL_OUTCOME_RELEASED,
            t.REVERSAL_OUTCOME_COMPENSATED,
            t.REVERSAL_OUTCOME_COMPENSATING,
        }
        assert await _worth(kept_shop) == before, number
    last = await kept_shop.scan(*actions)

    assert (await kept_shop.till.complete(last.process_id)).process.state == (
        p.PROCESS_STATE_COMPLETED
    )
    assert await kept_shop.unresolved() == []


async def _worth(shop: Shop) -> tuple[Any, ...]:
    """Return what the customer has: points, uses of tickets, open bills, and money at the bank."""
    wallet = await shop.phone.wallet()
    charges = [
        await shop.world.institution.find(f"{process.process_id}-0", deadline_seconds=10)
        for process in await shop.phone.processes()
        if process.HasField("card_total")
    ]
    return (
        [(account.balance, account.held) for account in wallet.points_accounts],
        [(ticket.ticket_id, ticket.entries_used) for ticket in wallet.tickets],
        [bill.bill_reference for bill in wallet.bills],
        sum(charge.may_hold_money for charge in charges),
    )


async def test_repetitions_of_a_request_in_flight_wait_and_hear_the_same_yes(
    kept_shop: Shop,
) -> None:
    """Elsewhere a second request met the lock of the first and was shown as a decline."""
    request = kept_shop.till.resolve_request(
        await kept_shop.phone.issue(), charge(APPROVED_LATER), wait_milliseconds=20_000
    )
    calls = [asyncio.create_task(kept_shop.till.call("ResolveCode", request)) for _ in range(5)]
    await kept_shop.world.institution_clock.somebody_waits.wait()

    assert not any(call.done() for call in calls)
    kept_shop.world.institution_clock.advance(8)
    answers = [answer.process for answer in await asyncio.gather(*calls)]

    assert {answer.state for answer in answers} == {p.PROCESS_STATE_INSTRUCTED}
    assert len({answer.process_id for answer in answers}) == 1


async def test_a_repetition_whose_patience_ends_first_hears_that_it_is_not_decided(
    shop: Shop,
) -> None:
    request = shop.till.resolve_request(
        await shop.phone.issue(), charge(APPROVED_LATER), wait_milliseconds=1
    )

    answers = [await pass_gate(shop.till, request) for _ in range(3)]
    await shop.world.institution_clock.somebody_waits.wait()
    shop.world.institution_clock.advance(8)
    decided = await shop.wait_for(answers[0].process_id, p.PROCESS_STATE_INSTRUCTED)

    assert {answer.state for answer in answers} == {p.PROCESS_STATE_AUTHORISING}
    assert not any(answer.HasField("refusal") for answer in answers)
    assert decided.process_id == answers[2].process_id


async def test_two_terminals_may_choose_the_same_id(kept_shop: Shop) -> None:
    """Elsewhere one key served a whole merchant, so a till could get its neighbour's sale."""
    neighbour = await kept_shop.world.add_terminal("till-2")
    other_device = await kept_shop.world.add_device(kept_shop.phone)
    request_id = new_id()
    codes = [await kept_shop.phone.issue(), await other_device.issue()]

    mine = await kept_shop.till.resolve(codes[0], burn(10), request_id=request_id)
    theirs = await neighbour.resolve(codes[1], burn(20), request_id=request_id)
    found = await neighbour.call(
        "GetProcess", t.GetProcessRequest(reference=by_request(codes[1], request_id))
    )

    assert mine.process_id != theirs.process_id
    assert found.process.process_id == theirs.process_id
    assert (await kept_shop.phone.wallet()).points_accounts[0].held == 30


async def test_another_rpc_under_the_same_id_never_gets_the_first_ones_answer(
    shop: Shop,
) -> None:
    """It is a request of its own, decided for itself: completing is not resolving."""
    request_id = new_id()
    process = await shop.till.resolve(await shop.phone.issue(), burn(10), request_id=request_id)

    completed = await shop.till.complete(process.process_id, request_id=request_id)
    reversal = await shop.till.reverse(process.process_id, request_id=request_id)

    assert completed.process.state == p.PROCESS_STATE_COMPLETED
    assert reversal.outcome == t.REVERSAL_OUTCOME_COMPENSATED
    assert await shop.phone.points() == 300
