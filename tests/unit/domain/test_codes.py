"""When a code is issued, when it is good, and what dies with it."""

from typing import Any

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done
from tallymark_server.domain.codes import LIVE_CODES_MAX
from tallymark_server.domain.commands import RemoveDevice, RevokeCode, RightPassword
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    EarnPointsAsk,
    Funding,
    PayBillAsk,
    ReadPointsAsk,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.merchants import PasswordRule
from tallymark_server.domain.model.people import BillReference, TicketReference
from tallymark_server.domain.model.processes import CodePurpose, CodeState, ProcessState
from tallymark_server.domain.model.registrations import AdmitDirection
from tests.unit.domain.furniture import PARTITION, euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld, device_caller

RIGHT = RightPassword(customer_id="ana", number=1, version=0)
READ = ReadPointsAsk()
EARN, BURN = EarnPointsAsk(points=1), BurnPointsAsk(points=1)
ADMIT = AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY)
CHARGE = ChargeAsk(amount=euro(1))
PAY = PayBillAsk(bill_reference="B-1", funding=Funding.AT_TERMINAL)
GENERAL, POINTS, TICKET = CodePurpose


def revoke(world: SmallWorld, purpose: CodePurpose | None, device: str = "ana-1") -> object:
    return world.ask(RevokeCode(caller=device_caller(device), partition=PARTITION, purpose=purpose))


@pytest.mark.parametrize(
    ("off_by", "expected"), [(-1, "OK"), (0, Reason.CODE_EXPIRED), (1, Reason.CODE_EXPIRED)]
)
def test_a_code_is_good_until_just_before_its_expiry(off_by: int, expected: str) -> None:
    world = SmallWorld()
    code = world.issue(life_seconds=60)

    world.move(seconds=60, milliseconds=off_by)

    assert reason_of(world.try_resolve(code, READ)) == expected


def test_claiming_a_code_kills_its_siblings_and_no_others() -> None:
    world = SmallWorld()
    sibling = world.issue()
    claimed = world.issue()
    younger = world.issue()
    others = [world.issue(purpose=POINTS), world.issue("ana-2"), world.issue("ben-1")]

    world.resolve(claimed, READ)

    for dead in (sibling, younger):
        assert world.code(dead).state is CodeState.REVOKED
        assert reason_of(world.try_resolve(dead, READ)) == Reason.CODE_REVOKED
    assert {world.code(code).state for code in others} == {CodeState.ISSUED}
    assert [live.purpose for live in world.device().live_codes] == [POINTS]


@pytest.mark.parametrize(
    ("asks", "expected"),
    [([READ], CodeState.CLAIMED), ([BurnPointsAsk(points=9_999)], CodeState.CONSUMED)],
)
def test_a_code_is_good_once_even_if_it_was_declined(asks: list[Ask], expected: CodeState) -> None:
    world = SmallWorld()
    code = world.issue()
    world.resolve(code, *asks)

    again = world.try_resolve(code, READ)

    assert reason_of(again) == Reason.CODE_ALREADY_CLAIMED
    assert world.code(code).state is expected


def test_unknown_and_falsely_signed_codes_are_refused() -> None:
    world = SmallWorld()
    code = world.issue()
    unknown = type(code)(
        partition=PARTITION,
        expires_at_seconds=code.expires_at_seconds + 1,
        cti_hash=code.cti_hash,
        text_hash=code.text_hash,
        key_id=code.key_id,
        customer_id="ana",
        device_id="ana-1",
        purpose=GENERAL,
        issued_at=0,
    )
    resigned = type(code)(
        partition=PARTITION,
        expires_at_seconds=code.expires_at_seconds,
        cti_hash=code.cti_hash,
        text_hash="another text",
        key_id=code.key_id,
        customer_id="ana",
        device_id="ana-1",
        purpose=GENERAL,
        issued_at=0,
    )

    assert reason_of(world.try_resolve(unknown, READ)) == Reason.CODE_NOT_FOUND
    assert reason_of(world.try_resolve(resigned, READ)) == Reason.CODE_NOT_GENUINE
    assert world.code(code) == code


def test_beyond_the_most_live_codes_the_oldest_dies() -> None:
    world = SmallWorld()
    codes = [world.issue() for _ in range(LIVE_CODES_MAX + 2)]

    states = [world.code(code).state for code in codes]

    assert states == [CodeState.REVOKED] * 2 + [CodeState.ISSUED] * LIVE_CODES_MAX
    assert len(world.device().live_codes) == LIVE_CODES_MAX


def test_codes_over_their_time_are_forgotten_not_revoked() -> None:
    world = SmallWorld()
    old = world.issue(life_seconds=60)
    world.move(seconds=60)

    new = world.issue()

    assert world.code(old).state is CodeState.ISSUED
    assert [live.code_text for live in world.device().live_codes] == [new.text]


@pytest.mark.parametrize(
    ("purpose", "asks", "covered"),
    [
        (GENERAL, [CHARGE, PAY, ADMIT, READ, EARN, BURN], True),
        (POINTS, [READ, EARN, BURN], True),
        (POINTS, [CHARGE], False),
        (POINTS, [PAY], False),
        (POINTS, [ADMIT], False),
        (POINTS, [READ, ADMIT], False),
        (TICKET, [ADMIT], True),
        (TICKET, [CHARGE], False),
        (TICKET, [PAY], False),
        (TICKET, [READ], False),
        (TICKET, [EARN], False),
        (TICKET, [BURN], False),
    ],
)
def test_a_purpose_covers_its_actions_only(
    purpose: CodePurpose, asks: list[Ask], *, covered: bool
) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(purpose=purpose), *asks)

    refusal = None if covered else Refusal(reason=RefusalReason.PURPOSE_NOT_ALLOWED)
    assert process.refusal == refusal


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "OK"),
        ({"card_id": "ana-card-2"}, "OK"),
        ({"card_id": "ben-card-1"}, Reason.CARD_NOT_FOUND),
        ({"bill": BillReference(merchant_id="cafe", bill_reference="B-1")}, "OK"),
        ({"bill": BillReference(merchant_id="cafe", bill_reference="B-9")}, Reason.BILL_NOT_FOUND),
        ({"bill": BillReference(merchant_id="hall", bill_reference="B-1")}, Reason.BILL_NOT_FOUND),
        ({"ticket": TicketReference(event_id="jazz", ticket_id="J-1")}, "OK"),
        ({"ticket": TicketReference(event_id="jazz", ticket_id="J-9")}, Reason.TICKET_NOT_FOUND),
        ({"ticket": TicketReference(event_id="fair", ticket_id="J-1")}, Reason.TICKET_NOT_FOUND),
    ],
)
def test_only_what_is_the_customers_can_be_chosen(chosen: dict[str, Any], expected: str) -> None:
    world = SmallWorld()

    assert reason_of(world.try_issue(**chosen)) == expected


@pytest.mark.parametrize(
    ("rule", "purpose", "needed"),
    [
        (PasswordRule.NEVER, GENERAL, False),
        (PasswordRule.GENERAL_CODES, GENERAL, True),
        (PasswordRule.GENERAL_CODES, POINTS, False),
        (PasswordRule.ALWAYS, TICKET, True),
    ],
)
def test_the_policy_may_want_the_password(
    rule: PasswordRule, purpose: CodePurpose, *, needed: bool
) -> None:
    world = SmallWorld()
    world.set_policy(password_rule=rule)

    without = world.try_issue(purpose=purpose)
    with_password = world.try_issue(purpose=purpose, password=RIGHT)

    assert reason_of(without) == (Reason.PASSWORD_REQUIRED if needed else "OK")
    assert reason_of(with_password) == "OK"


def test_a_phone_revokes_its_unused_codes() -> None:
    world = SmallWorld()
    claimed = world.issue()
    world.resolve(claimed, READ)
    general, points, other = world.issue(), world.issue(purpose=POINTS), world.issue("ana-2")

    assert revoke(world, GENERAL) == Done(count=1)
    assert revoke(world, None) == Done(count=1)
    assert revoke(world, None) == Done(count=0)

    assert world.code(general).state is world.code(points).state is CodeState.REVOKED
    assert world.code(other).state is CodeState.ISSUED
    assert world.code(claimed).state is CodeState.CLAIMED


def test_codes_that_the_store_has_forgotten_are_passed_over() -> None:
    world = SmallWorld()
    forgotten, claimed = world.issue(), world.issue()
    del world.rows[forgotten.key]

    assert world.resolve(claimed, READ).state is ProcessState.INSTRUCTED

    forgotten = world.issue()
    del world.rows[forgotten.key]
    assert revoke(world, None) == Done(count=0)


def test_a_removed_phone_has_no_codes() -> None:
    world = SmallWorld()
    code = world.issue("ana-2")
    world.ask(RemoveDevice(caller=device_caller("ana-1"), partition=PARTITION, device_id="ana-2"))

    assert reason_of(world.try_resolve(code, READ)) == Reason.CODE_REVOKED
    assert reason_of(world.try_issue("ana-2")) == Reason.DEVICE_NOT_FOUND
