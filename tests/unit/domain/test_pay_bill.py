"""Which bill is paid, and when it is open again."""

import pytest

from tallymark_server.domain.model.actions import (
    Funding,
    PayBillAsk,
    PayBillGrant,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.people import BillReference
from tallymark_server.domain.model.processes import ProcessState
from tallymark_server.domain.model.registrations import BillState
from tests.unit.domain.furniture import bill, euro
from tests.unit.domain.small_world import SmallWorld


def pay(reference: str = "") -> PayBillAsk:
    return PayBillAsk(bill_reference=reference, funding=Funding.AT_TERMINAL)


B_2 = BillReference(merchant_id="cafe", bill_reference="B-2")


@pytest.mark.parametrize(
    ("chosen", "named", "expected"),
    [
        (None, "B-1", "B-1"),
        (B_2, "", "B-2"),
        (B_2, "B-1", "B-1"),
    ],
)
def test_the_terminal_names_the_bill_else_the_phone(
    chosen: BillReference | None, named: str, expected: str
) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(bill=chosen), pay(named))

    granted = process.actions[0].grant
    assert isinstance(granted, PayBillGrant)
    assert granted.bill_reference == expected
    assert world.bill(expected).state is BillState.HELD


def test_the_only_open_bill_needs_no_name() -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(), pay(), by="gate-1")
    world.complete(process, by="gate-1")

    assert world.bill("H-1", "hall").state is BillState.PAID
    assert "H-1" not in {one.bill_reference for one in world.customer().bills}


def test_several_open_bills_are_listed_in_the_refusal() -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(), pay())

    assert process.refusal == Refusal(
        reason=RefusalReason.BILL_REFERENCE_NEEDED, bill_references=("B-1", "B-2", "B-3")
    )


def test_a_bill_of_another_merchant_is_not_chosen_by_the_phone() -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(bill=B_2), pay(), by="gate-1")

    granted = process.actions[0].grant
    assert isinstance(granted, PayBillGrant)
    assert granted.bill_reference == "H-1"


@pytest.mark.parametrize(
    ("device", "by", "named"),
    [("ana-1", "till-1", "B-9"), ("ana-1", "gate-1", "B-1"), ("ben-1", "gate-1", "")],
)
def test_bills_of_others_are_not_found(device: str, by: str, named: str) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(device), pay(named), by=by)

    assert process.refusal == Refusal(reason=RefusalReason.BILL_NOT_FOUND)


def test_a_bill_is_paid_once() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), pay("B-1"))

    meanwhile = world.resolve(world.issue(), pay("B-1"))
    world.complete(process)
    afterwards = world.resolve(world.issue(), pay("B-1"))

    assert meanwhile.refusal == Refusal(reason=RefusalReason.BILL_IN_USE)
    assert afterwards.refusal == Refusal(reason=RefusalReason.BILL_ALREADY_PAID)


@pytest.mark.parametrize("is_completed", [False, True])
def test_a_bill_that_was_given_back_can_be_paid_again(*, is_completed: bool) -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), pay("B-1"))
    if is_completed:
        world.complete(process)

    world.reverse(process)

    assert world.bill("B-1").state is BillState.OPEN
    again = world.resolve(world.issue(), pay("B-1"))
    assert again.state is ProcessState.INSTRUCTED


def test_sixteen_bills_are_paid_in_one_scan() -> None:
    world = SmallWorld()
    names = [f"S-{number:02d}" for number in range(16)]
    for name in names:
        world.ask(bill(name, euro(100)))

    process = world.resolve(world.issue(), *map(pay, names))
    world.complete(process)

    assert {world.bill(name).state for name in names} == {BillState.PAID}


def test_a_bill_that_nobody_named_and_another_process_pays_is_in_use() -> None:
    world = SmallWorld()
    world.resolve(world.issue(), pay(), by="gate-1")

    meanwhile = world.resolve(world.issue(), pay(), by="gate-1")

    assert meanwhile.refusal == Refusal(reason=RefusalReason.BILL_IN_USE)
