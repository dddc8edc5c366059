"""Phone and server state the same of every process, each from what it has."""

import pytest

from tallymark_protocol.confirmation import Decision, Standing, read_confirmation
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    EarnPointsAsk,
    Funding,
    PayBillAsk,
    ReadPointsAsk,
)
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.model.registrations import AdmitDirection
from tallymark_server.domain.processes.statement import is_answerable, statement_of
from tallymark_server.services.processes_out import process_message
from tests.unit.domain.furniture import euro
from tests.unit.domain.small_world import SmallWorld

ANA = "number-of-ana"

EVERYTHING = (
    ChargeAsk(amount=None),
    PayBillAsk(bill_reference="", funding=Funding.CARD),
    AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY),
    ReadPointsAsk(),
    EarnPointsAsk(points=12),
    BurnPointsAsk(points=300),
)
TOO_MANY_POINTS = BurnPointsAsk(points=900_000)

NAMED_BILL = PayBillAsk(bill_reference="B-1", funding=Funding.AT_TERMINAL)


def stated_by_phone(process: Process, decision: Decision, digits: str) -> bytes:
    message = process_message(process, customer_reference=None)
    return confirmation_of(message, decision, digits).to_bytes()


@pytest.mark.parametrize(
    ("asks", "standings"),
    [
        ((NAMED_BILL, *EVERYTHING[2:]), {Standing.GRANTED}),
        ((ChargeAsk(amount=euro(5_000)),), {Standing.GRANTED}),
        ((*EVERYTHING[:-1], TOO_MANY_POINTS), {Standing.ASKED, Standing.REFUSED}),
        (
            (AdmitAsk(event_id="pool", direction=AdmitDirection.EXIT), ChargeAsk(amount=euro(1))),
            {Standing.ASKED, Standing.REFUSED},
        ),
    ],
    ids=["all but money", "money", "too many points", "no ticket"],
)
@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("digits", ["", "07"])
def test_phone_and_server_state_the_same_while_the_customer_is_asked(
    asks: tuple[Ask, ...], standings: set[Standing], decision: Decision, digits: str
) -> None:
    world = SmallWorld()
    process = world.resolve(ANA, *asks, sale_total=euro(6_000))

    stated = statement_of(process, approve=decision is Decision.APPROVE, digits=digits)

    assert stated == stated_by_phone(process, decision, digits)
    confirmation = read_confirmation(stated)
    assert (confirmation.decision, confirmation.digits) == (decision, digits)
    assert {action.standing for action in confirmation.actions} == standings
    assert len(confirmation.actions) == len(asks)


def test_phone_and_server_state_the_same_of_everything_that_is_contested() -> None:
    world = SmallWorld()
    world.set_policy(confirm_money_from=100_000, confirm_points_from=1_000)
    process = world.resolve(
        world.issue(), EVERYTHING[0], NAMED_BILL, *EVERYTHING[2:], sale_total=euro(600)
    )
    world.authorised(process)
    world.dispute(process)
    process = world.again(process)

    stated = statement_of(process, approve=False, digits="")

    assert stated == stated_by_phone(process, Decision.DECLINE, "")
    assert read_confirmation(stated).is_granted


def test_what_nobody_is_asked_about_is_not_answerable() -> None:
    world = SmallWorld()

    instructed = world.resolve(world.issue(), EarnPointsAsk(points=1))

    assert not is_answerable(instructed)
    assert is_answerable(world.resolve(ANA, EarnPointsAsk(points=1)))
