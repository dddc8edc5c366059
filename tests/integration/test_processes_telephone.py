"""Identification by telephone number: always confirmed, and silent about who is registered."""

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1.action_pb2 import Action
from tallymark.v1.customer_service_pb2 import VerifyNumberRequest
from tallymark.v1.identification_pb2 import Identification, ProcessReference
from tallymark.v1.terminal_service_pb2 import (
    PROCESS_KNOWLEDGE_FOUND,
    GetProcessRequest,
    ResolveCodeRequest,
)
from tests.world.actions import ADMIT, burn, charge, pay_bill
from tests.world.messages import euro, new_id
from tests.world.phone import Phone
from tests.world.shop import Shop

NUMBER, UNKNOWN_NUMBER = "+4930123456", "+4930999999"


@pytest.fixture
async def ben(shop: Shop) -> Phone:
    """Add a customer with a verified number, a card, points, a ticket and a bill."""
    ben = await shop.world.add_phone("ben", telephone_number=NUMBER)
    await verify(shop, ben)
    await ben.add_card()
    await shop.world.operator.add_points(ben, 300)
    await shop.world.operator.add_ticket(ben, "B-1")
    await shop.world.operator.add_bill(ben, "B-8", 900)
    return ben


async def verify(shop: Shop, phone: Phone) -> None:
    number_code = shop.world.numbers.codes[NUMBER]
    await phone.call(
        "VerifyNumber", VerifyNumberRequest(request_id=new_id(), number_code=number_code)
    )


async def scan_number(shop: Shop, number: str, *actions: Action) -> p.Process:
    request = ResolveCodeRequest(
        request_id=new_id(),
        identification=Identification(telephone_number=number),
        actions=actions,
        wait_milliseconds=1,
    )
    process: p.Process = (await shop.till.call("ResolveCode", request)).process
    return process


def without_what_always_differs(process: p.Process) -> p.Process:
    for field in ("process_id", "confirmation_digits"):
        process.ClearField(field)
    return process


async def test_the_digits_at_the_terminal_confirm_on_the_phone(shop: Shop, ben: Phone) -> None:
    before = await shop.belongings()
    process = await scan_number(shop, NUMBER, charge(500), burn(100), ADMIT, pay_bill())
    shown = (await ben.processes())[0]
    held = await shop.belongings()

    await ben.confirm(process.process_id, digits=process.confirmation_digits)
    instructed = await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)
    receipt = (await shop.till.complete(process.process_id)).receipt

    assert len(process.confirmation_digits) == 2
    assert shown.digits_needed
    assert not shown.confirmation_digits
    assert shown.actions[3].instruction.pay_bill.amount == euro(900)
    assert held == before
    assert instructed.actions[2].instruction.admit.ticket_id == "B-1"
    assert receipt.confirmed_by_customer


async def test_wrong_digits_decline_the_process(shop: Shop, ben: Phone) -> None:
    before = await shop.belongings()
    process = await scan_number(shop, NUMBER, burn(100))
    wrong = f"{(int(process.confirmation_digits) + 1) % 100:02d}"

    declined = await ben.confirm(process.process_id, digits=wrong)

    assert declined.state == p.PROCESS_STATE_DECLINED
    assert declined.refusal.reason == a.REFUSAL_REASON_DIGITS_WRONG
    assert await shop.belongings() == before


async def test_a_no_needs_no_digits(shop: Shop, ben: Phone) -> None:
    process = await scan_number(shop, NUMBER, burn(100))

    declined = await ben.confirm(process.process_id, approve=False)

    assert declined.refusal.reason == a.REFUSAL_REASON_CUSTOMER_DECLINED


@pytest.mark.usefixtures("ben")
@pytest.mark.parametrize(
    "actions",
    [(burn(100),), (charge(500), ADMIT), (pay_bill("B-0"),)],
    ids=["points", "money and admission", "what is refused"],
)
async def test_an_unknown_number_is_answered_like_one_whose_owner_is_silent(
    shop: Shop, actions: tuple[Action, ...]
) -> None:
    known = await scan_number(shop, NUMBER, *actions)
    unknown = await scan_number(shop, UNKNOWN_NUMBER, *actions)
    await shop.world.pass_time(seconds=45)
    known_end = await shop.till.get(known.process_id)
    unknown_end = await shop.till.get(unknown.process_id)

    assert known.state == p.PROCESS_STATE_AWAITING_CUSTOMER
    assert known_end.state == p.PROCESS_STATE_EXPIRED
    assert without_what_always_differs(known) == without_what_always_differs(unknown)
    assert without_what_always_differs(known_end) == without_what_always_differs(unknown_end)


@pytest.mark.usefixtures("ben")
async def test_a_given_up_process_does_not_tell_who_is_registered_either(
    shop: Shop,
) -> None:
    known = await scan_number(shop, NUMBER, charge(500), pay_bill("B-0"))
    unknown = await scan_number(shop, UNKNOWN_NUMBER, charge(500), pay_bill("B-0"))

    known_end = (await shop.till.reverse(known.process_id)).process
    unknown_end = (await shop.till.reverse(unknown.process_id)).process

    assert known_end.state == p.PROCESS_STATE_RELEASED
    assert without_what_always_differs(known_end) == without_what_always_differs(unknown_end)


async def test_a_number_that_is_not_verified_reaches_nobody(shop: Shop) -> None:
    eve = await shop.world.add_phone("eve", telephone_number=NUMBER)

    await scan_number(shop, NUMBER, burn(1))

    assert await eve.processes() == []


async def test_a_customer_is_asked_one_thing_at_a_time(shop: Shop, ben: Phone) -> None:
    first = await scan_number(shop, NUMBER, burn(1))
    second = await scan_number(shop, NUMBER, burn(2))
    asked = [process.process_id for process in await ben.processes()]
    await ben.confirm(first.process_id, approve=False)
    shop.world.clock.move(seconds=1)
    third = await scan_number(shop, NUMBER, burn(3))

    assert second.state == p.PROCESS_STATE_AWAITING_CUSTOMER
    assert asked == [first.process_id]
    assert [each.process_id for each in await ben.processes()] == [
        third.process_id,
        first.process_id,
    ]


async def test_what_went_meanwhile_declines_the_process_after_the_yes(
    shop: Shop, ben: Phone
) -> None:
    process = await scan_number(shop, NUMBER, burn(200))
    other = await shop.till.resolve(await ben.issue(), burn(200))
    await shop.till.complete(other.process_id)

    declined = await ben.confirm(process.process_id, digits=process.confirmation_digits)

    assert declined.state == p.PROCESS_STATE_DECLINED
    assert declined.refusal.reason == a.REFUSAL_REASON_INSUFFICIENT_POINTS
    assert await ben.points() == 100


async def test_the_bill_that_was_shown_is_the_one_that_is_paid(shop: Shop, ben: Phone) -> None:
    process = await scan_number(shop, NUMBER, pay_bill())
    await shop.world.operator.add_bill(ben, "B-9", 5)

    instructed = await ben.confirm(process.process_id, digits=process.confirmation_digits)

    assert instructed.actions[0].instruction.pay_bill.bill_reference == "B-8"


@pytest.mark.usefixtures("ben")
@pytest.mark.parametrize("number", [NUMBER, UNKNOWN_NUMBER])
async def test_it_is_found_again_by_the_number_and_the_request_id(shop: Shop, number: str) -> None:
    request = ResolveCodeRequest(
        request_id=new_id(),
        identification=Identification(telephone_number=number),
        actions=[burn(1)],
        wait_milliseconds=1,
    )
    process = (await shop.till.call("ResolveCode", request)).process
    reference = ProcessReference(
        identification=request.identification, resolve_request_id=request.request_id
    )

    found = await shop.till.call("GetProcess", GetProcessRequest(reference=reference))

    assert found.knowledge == PROCESS_KNOWLEDGE_FOUND
    assert found.process == process
