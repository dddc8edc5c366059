"""What a message of a replay waits for when time passes faster than it was recorded."""

import asyncio
from collections.abc import Sequence

import pytest

from tallymark.v1 import customer_service_pb2, terminal_service_pb2
from tallymark_load.recorded import RecordedCall
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.ordering import Order
from tallymark_load.replay.plan import Plan
from tallymark_load.replay.played import Played
from tallymark_load.replay.waiting import Waiting
from tests.unit.load.recorded_calls import RULES, planned, recorded


def ordered(calls: Sequence[RecordedCall]) -> tuple[Plan, Correlation]:
    correlation = Correlation(RULES.value_selection())
    plan = planned(calls, correlation)
    Order(plan, RULES, correlation).lay_down()
    return plan, correlation


def waiting_of(plan: Plan, correlation: Correlation, *, is_faster: bool) -> Waiting:
    played = {call: Played(call) for call in plan.calls}
    return Waiting(plan, played, {}, correlation, is_faster=is_faster)


def looks_at_the_keys() -> RecordedCall:
    """Return a call that names nothing that would order it."""
    answer = terminal_service_pb2.ListVerificationKeysResponse().SerializeToString()
    return recorded(1, "TerminalService/ListVerificationKeys", [b""], [answer])


def looks_at_the_wallet() -> RecordedCall:
    answer = customer_service_pb2.GetWalletResponse().SerializeToString()
    return recorded(2, "CustomerService/GetWallet", [b""], [answer])


@pytest.mark.parametrize(("is_faster", "waits"), [(True, True), (False, False)])
async def test_a_caller_asks_no_faster_than_it_is_answered_unless_time_keeps_the_order(
    *, is_faster: bool, waits: bool
) -> None:
    plan, correlation = ordered([looks_at_the_keys(), looks_at_the_wallet()])
    first, second = (call.steps[0] for call in plan.calls)
    waiting = waiting_of(plan, correlation, is_faster=is_faster)
    sending = asyncio.create_task(waiting.for_step(second))
    for _ in range(5):
        await asyncio.sleep(0)

    assert sending.done() is not waits
    first.settled.set()
    assert await sending == []
    assert (second in waiting.waited) is waits


async def test_answers_that_name_what_they_answer_are_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy server puts more of them into one message, so the recorded number may never come."""
    counted = []

    async def until(*given: object) -> None:
        counted.append(given)

    monkeypatch.setattr(Waiting, "_until", until)
    asked = [
        terminal_service_pb2.ExchangeRequest(
            commands=[terminal_service_pb2.ExchangeCommand(correlation=number)]
        )
        for number in (1, 2)
    ]
    answers = [
        terminal_service_pb2.ExchangeResponse(
            answers=[terminal_service_pb2.ExchangeAnswer(correlation=number)]
        )
        for number in (1, 2)
    ]
    sent = [one.SerializeToString() for one in asked]
    call = recorded(
        1, "TerminalService/Exchange", sent, [one.SerializeToString() for one in answers]
    )
    plan, correlation = ordered([call])
    waiting = waiting_of(plan, correlation, is_faster=True)
    for step in plan.calls[0].steps:
        await waiting.for_step(step)
        step.sent.set()
        step.settled.set()

    assert not counted
