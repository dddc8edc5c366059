"""A customer's answer counts only as signed by the customer's device over what would be done."""

from collections.abc import Callable

import msgspec
import pytest

from tallymark_protocol.confirmation import read_confirmation
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import RevokeDevice
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    BurnPointsAsk,
    ChargeAsk,
    RefusalReason,
)
from tallymark_server.domain.model.processes import Process, ProcessState, SignedAnswer
from tallymark_server.domain.model.registrations import AdmitDirection
from tests.unit.domain.forgeries import FORGERIES, Forgery
from tests.unit.domain.furniture import PARTITION, device_key, euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import OPERATOR, SmallWorld

CHARGE = ChargeAsk(amount=euro(5_000))
BURN = BurnPointsAsk(points=100)
ENTER = AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY)
ANA = "number-of-ana"


def awaiting(world: SmallWorld) -> Process:
    return world.resolve(world.issue(), CHARGE, BURN, sale_total=euro(6_000))


def contested(world: SmallWorld) -> Process:
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(process)
    world.dispute(process)
    return world.again(process)


def by_telephone(world: SmallWorld) -> Process:
    return world.resolve(ANA, CHARGE)


@pytest.mark.parametrize("ask", [awaiting, contested, by_telephone])
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_was_not_signed_so_changes_nothing_and_the_customer_may_still_answer(
    ask: Callable[[SmallWorld], Process], forgery: Forgery
) -> None:
    world = SmallWorld()
    process = ask(world)

    answer = forgery(world, process)

    assert reason_of(answer) == Reason.CONFIRMATION_SIGNATURE_WRONG
    assert world.again(process) == process
    assert reason_of(world.confirm(process, digits=process.digits)) == "OK"
    assert world.again(process).is_confirmed


def test_a_yes_is_kept_as_it_was_signed() -> None:
    world = SmallWorld()
    process = awaiting(world)
    signed = world.signed(process)
    assert signed is not None

    world.confirm(process)

    after = world.again(process)
    assert after.signed_yes == SignedAnswer(
        statement=signed.statement,
        signature=b"signature",
        device_key=device_key("ana-1"),
        device_id="ana-1",
        answered_at=world.now,
    )
    assert after.signed_no is None
    assert read_confirmation(signed.statement).authorises


def test_a_no_is_kept_too_and_does_not_push_out_a_yes_before_it() -> None:
    world = SmallWorld()
    process = awaiting(world)
    world.confirm(process)
    world.authorised(world.again(process))
    world.dispute(process)
    world.move(seconds=3_600)

    world.confirm(process, approve=False)

    after = world.again(process)
    assert after.state is ProcessState.CONTESTED, "goods may be gone"
    assert after.is_confirmed
    assert after.signed_yes is not None
    assert after.signed_no is not None
    assert not read_confirmation(after.signed_no.statement).authorises


@pytest.mark.parametrize("ask", [awaiting, contested])
def test_a_second_yes_needs_a_signature_of_its_own(
    ask: Callable[[SmallWorld], Process],
) -> None:
    world = SmallWorld()
    process = ask(world)
    first = world.signed(process)
    world.confirm(process)
    world.authorised(world.again(process))
    world.dispute(process)

    replayed = world.answer(process, first)
    answered_anew = world.confirm(process)

    assert reason_of(replayed) == Reason.CONFIRMATION_SIGNATURE_WRONG
    assert reason_of(answered_anew) == "OK"


def test_what_was_signed_before_the_process_changed_is_worth_nothing() -> None:
    world = SmallWorld()
    process = contested(world)
    signed = world.signed(process)
    shown_otherwise = msgspec.structs.replace(process, merchant_name="Cafe of old")
    world.rows[process.key] = shown_otherwise

    answer = world.answer(process, signed)

    assert reason_of(answer) == Reason.CONFIRMATION_SIGNATURE_WRONG
    assert world.again(process) == shown_otherwise


def test_a_device_that_was_revoked_a_moment_ago_confirms_nothing() -> None:
    world = SmallWorld()
    process = awaiting(world)
    world.ask(
        RevokeDevice(caller=OPERATOR, partition=PARTITION, customer_id="ana", device_id="ana-1")
    )

    from_revoked = world.confirm(process)
    from_another = world.confirm(process, by="ana-2")

    assert reason_of(from_revoked) == Reason.CONFIRMATION_SIGNATURE_WRONG
    assert reason_of(from_another) == "OK"


def test_who_may_not_answer_learns_nothing_from_the_signature() -> None:
    world = SmallWorld()
    process = awaiting(world)

    stranger = world.answer(process, world.signed(process, by="ben-1"), by="ben-1")
    world.move(seconds=45)
    late = world.answer(process, None)

    assert reason_of(stranger) == Reason.PROCESS_NOT_FOUND
    assert reason_of(late) == Reason.PROCESS_NOT_AWAITING


def test_signed_digits_that_are_wrong_decline_the_process() -> None:
    world = SmallWorld()
    process = by_telephone(world)

    world.confirm(process, digits="41")

    after = world.again(process)
    assert after.refusal is not None
    assert after.refusal.reason is RefusalReason.DIGITS_WRONG
    assert after.signed_yes is not None
    assert not after.is_confirmed


def test_a_telephone_process_is_held_only_as_it_was_signed() -> None:
    world = SmallWorld()
    process = world.resolve(ANA, ENTER)
    shown = world.signed(process, digits="42")
    gate = world.resolve(world.issue(), ENTER, complete_on_instruction=True)
    assert gate.state is ProcessState.COMPLETED
    gate = world.resolve(world.issue(), ENTER, complete_on_instruction=True)
    assert gate.state is ProcessState.COMPLETED, "the ticket that was shown is used up"

    answer = world.answer(process, shown, digits="42")

    assert reason_of(answer) == Reason.CONFIRMATION_SIGNATURE_WRONG, "the next ticket was not shown"
    assert world.again(process) == process
    assert not world.ticket("J-2").held_by
