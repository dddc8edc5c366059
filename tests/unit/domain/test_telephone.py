"""Identification by telephone number: the customer answers first, and numbers stay secret."""

from typing import Any

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ReversalAnswer
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    Funding,
    PayBillAsk,
    PayBillGrant,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.model.registrations import AdmitDirection
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.services.processes_out import process_message
from tests.unit.domain.furniture import bill, euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

ANA, BEN, NOBODY = "number-of-ana", "number-of-ben", "number-of-nobody"
BURN = BurnPointsAsk(points=100)
EVERYTHING: list[Ask] = [
    ChargeAsk(amount=None),
    BURN,
    AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY),
    PayBillAsk(bill_reference="B-1", funding=Funding.CARD),
]


def as_seen_by_terminal(process: Process) -> Any:
    """Return the message without what differs between any two processes."""
    seen = as_terminal_sees(process)
    message = process_message(seen, customer_reference=seen.customer_id and "reference")
    message.ClearField("process_id")
    return message


@pytest.mark.parametrize("number", [ANA, BEN])
@pytest.mark.parametrize("ending", ["open", "expired", "reversed"])
def test_an_unknown_number_looks_exactly_like_a_known_one(number: str, ending: str) -> None:
    seen = []
    for called in (number, NOBODY):
        world = SmallWorld()
        process = world.resolve(called, *EVERYTHING, sale_total=euro(900))
        if ending == "expired":
            world.now = process.confirm_by
            world.fire(process)
        if ending == "reversed":
            world.reverse(process)
        seen.append(as_seen_by_terminal(world.again(process)))

    known, unknown = seen
    assert known == unknown
    assert known.confirmation_digits == "42"


def test_a_number_whose_owner_is_being_asked_looks_like_any_other() -> None:
    world = SmallWorld()
    first = world.resolve(ANA, BURN)

    second = world.resolve(ANA, BURN)

    assert as_seen_by_terminal(second) == as_seen_by_terminal(first)
    assert world.customer().prompt_process_id == first.process_id
    assert reason_of(world.confirm(second, digits="42")) == Reason.PROCESS_NOT_FOUND


@pytest.mark.parametrize("ending", ["confirmed", "declined", "expired", "reversed"])
def test_the_next_prompt_waits_for_the_end_of_the_one_before(ending: str) -> None:
    world = SmallWorld()
    first = world.resolve(ANA, BURN)
    if ending == "confirmed":
        world.confirm(first, digits="42")
    elif ending == "declined":
        world.confirm(first, approve=False)
    elif ending == "expired":
        world.now = first.confirm_by
        world.fire(first)
    else:
        world.reverse(first)

    second = world.resolve(ANA, BURN)

    assert second.customer_id == "ana"
    assert world.customer().prompt_process_id == second.process_id


def test_nothing_is_held_before_the_customer_answers() -> None:
    world = SmallWorld()
    before = dict(world.rows)

    process = world.resolve(ANA, *EVERYTHING, sale_total=euro(900))

    changed = {key.table.__name__ for key, row in world.rows.items() if before.get(key) != row}
    assert changed == {"Process", "CustomerProcess", "Customer", "Due", "Request"}
    assert process.card_total == euro(1_800), "but the phone shows what it will be"


def test_after_the_right_digits_it_goes_on_like_a_code() -> None:
    world = SmallWorld()
    process = world.resolve(ANA, *EVERYTHING, sale_total=euro(900))

    world.confirm(process, digits="42")
    world.authorised(world.again(process))
    world.complete(process)

    after = world.again(process)
    assert after.state is ProcessState.COMPLETED
    assert after.card_total == euro(1_800)
    assert world.account().balance == 1_400
    assert world.bill("B-1").process_id == process.process_id


@pytest.mark.parametrize("digits", ["", "24", "41"])
def test_wrong_digits_decline_for_good(digits: str) -> None:
    world = SmallWorld()
    process = world.resolve(ANA, BURN)

    world.confirm(process, digits=digits)
    again = world.confirm(process, digits="42")

    assert world.again(process).refusal == Refusal(reason=RefusalReason.DIGITS_WRONG)
    assert reason_of(again) == Reason.PROCESS_NOT_AWAITING


def test_the_bill_that_was_shown_is_the_one_that_is_paid() -> None:
    world = SmallWorld()
    pay = PayBillAsk(bill_reference="", funding=Funding.AT_TERMINAL)
    process = world.resolve(BEN, pay)
    world.ask(bill("B-0", euro(1), login_name="ben"))

    world.confirm(process, digits="42", by="ben-1")

    granted = world.again(process).actions[0].grant
    assert isinstance(granted, PayBillGrant)
    assert granted.bill_reference == "B-9"


def test_what_became_impossible_meanwhile_is_declined_with_its_reason() -> None:
    world = SmallWorld()
    process = world.resolve(ANA, BurnPointsAsk(points=1_400))
    world.resolve(world.issue(), BurnPointsAsk(points=200))

    world.confirm(process, digits="42")

    refusal = Refusal(reason=RefusalReason.INSUFFICIENT_POINTS, points_available=1_300)
    assert world.again(process).refusal == refusal
    assert world.account().held == 200


def test_what_was_shown_as_refused_cannot_be_approved_after_all() -> None:
    world = SmallWorld()
    holding = world.resolve(world.issue(), BurnPointsAsk(points=900))
    process = world.resolve(
        ANA, BurnPointsAsk(points=700), ChargeAsk(amount=None), sale_total=euro(900)
    )
    assert process.card_total is None, "the phone shows no amount"
    world.reverse(holding)

    world.confirm(process, digits="42")

    after = world.again(process)
    assert after.state is ProcessState.DECLINED
    assert after.refusal == Refusal(reason=RefusalReason.INSUFFICIENT_POINTS, points_available=600)


def test_a_gate_may_complete_on_instruction_by_telephone_too() -> None:
    world = SmallWorld()
    process = world.resolve(ANA, BURN, complete_on_instruction=True)

    world.confirm(process, digits="42")

    assert world.again(process).state is ProcessState.COMPLETED


def test_reversing_for_nobody_releases_as_for_anybody() -> None:
    world = SmallWorld()
    process = world.resolve(NOBODY, *EVERYTHING)

    answer = world.reverse(process)

    assert isinstance(answer, ReversalAnswer)
    assert world.again(process).state is ProcessState.RELEASED
