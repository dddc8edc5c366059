"""What the card pays, which card, and what refuses it."""

import pytest

from tallymark_server.domain.commands import RemoveCard
from tallymark_server.domain.model.actions import (
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    ChargeGrant,
    Funding,
    PayBillAsk,
    Refusal,
    RefusalReason,
    Settlement,
)
from tallymark_server.domain.model.processes import ProcessState
from tallymark_server.domain.money import Money
from tests.unit.domain.furniture import PARTITION, euro
from tests.unit.domain.small_world import SmallWorld, charge_of, device_caller

REST = ChargeAsk(amount=None)
DOLLAR = Money(currency_code="USD", minor_units=100)


def bill(reference: str, funding: Funding = Funding.CARD) -> PayBillAsk:
    return PayBillAsk(bill_reference=reference, funding=funding)


def burn(points: int) -> BurnPointsAsk:
    return BurnPointsAsk(points=points)


@pytest.mark.parametrize(
    ("asks", "sale_total", "expected"),
    [
        ([ChargeAsk(amount=euro(420))], None, euro(420)),
        ([ChargeAsk(amount=euro(420))], euro(999), euro(420)),
        ([REST], euro(900), euro(900)),
        ([REST, burn(200)], euro(900), euro(700)),
        ([burn(900), REST], euro(900), euro(0)),
        ([REST, bill("B-1")], None, euro(1_000)),
        ([REST, bill("B-1"), bill("B-2")], euro(1), euro(3_501)),
        ([REST, bill("B-1"), burn(1_500)], euro(600), euro(100)),
        ([REST, bill("B-1", Funding.AT_TERMINAL)], euro(5), euro(5)),
        ([REST, bill("B-3", Funding.AT_TERMINAL)], euro(5), euro(5)),
        ([REST], DOLLAR, DOLLAR),
        ([REST, bill("B-3")], DOLLAR, Money(currency_code="USD", minor_units=800)),
    ],
)
def test_the_remainder_is_total_and_bills_less_points(
    asks: list[Ask], sale_total: Money | None, expected: Money
) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(), *asks, sale_total=sale_total)

    assert process.refusal is None
    assert process.card_total == expected
    assert charge_of(process)[1] == expected.minor_units


@pytest.mark.parametrize(
    ("asks", "sale_total", "expected"),
    [
        ([REST], None, RefusalReason.CURRENCY_MISMATCH),
        ([REST, bill("B-3")], euro(5), RefusalReason.CURRENCY_MISMATCH),
        ([REST, bill("B-1"), bill("B-3")], None, RefusalReason.CURRENCY_MISMATCH),
        ([REST, burn(1)], DOLLAR, RefusalReason.CURRENCY_MISMATCH),
        ([REST, burn(901)], euro(900), RefusalReason.POINTS_EXCEED_TOTAL),
        (
            [bill("B-1", Funding.AT_TERMINAL), burn(1), REST],
            euro(0),
            RefusalReason.POINTS_EXCEED_TOTAL,
        ),
    ],
)
def test_a_remainder_that_makes_no_sense_is_refused(
    asks: list[Ask], sale_total: Money | None, expected: RefusalReason
) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(), *asks, sale_total=sale_total)

    assert process.state is ProcessState.DECLINED
    assert process.refusal == Refusal(reason=expected)
    assert world.account().held == 0, "all or nothing"
    assert all(action.grant is None for action in process.actions)


def test_a_charge_of_nothing_asks_nobody() -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(), REST, burn(900), sale_total=euro(900))
    assert process.state is ProcessState.INSTRUCTED
    world.complete(process)

    charge = world.again(process).actions[0]
    assert charge.authorisation is None
    assert charge.settlement is Settlement.SETTLED


def test_a_charge_of_nothing_is_released_without_asking_anybody() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), REST, burn(900), sale_total=euro(900))

    world.reverse(process)

    assert world.again(process).actions[0].settlement is Settlement.NONE


@pytest.mark.parametrize(("card_id", "last_four"), [("", "4241"), ("ana-card-2", "4242")])
def test_the_chosen_card_pays_else_the_default_one(card_id: str, last_four: str) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(card_id=card_id), ChargeAsk(amount=euro(1)))

    granted = process.actions[0].grant
    assert isinstance(granted, ChargeGrant)
    assert granted.card_last_four == last_four


def test_a_card_that_was_removed_meanwhile_does_not_pay() -> None:
    world = SmallWorld()
    code = world.issue(card_id="ana-card-2")
    world.ask(RemoveCard(caller=device_caller("ana-1"), partition=PARTITION, card_id="ana-card-2"))

    process = world.resolve(code, ChargeAsk(amount=euro(1)))

    assert process.refusal == Refusal(reason=RefusalReason.NO_CARD)
