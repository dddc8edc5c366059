"""A sale from the code on the phone to the books of a card host, with the gateway in between."""

from collections.abc import AsyncIterator

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark_institution.iso8583.host.books import State
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.integration.iso8583.ground import Counter
from tests.world.actions import ADMIT, burn, charge, pay_bill
from tests.world.phone import GOOD_CARD
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

NO_ANSWER, CAPTURE_REFUSED, PARTIAL, LOST_REVERSAL_ANSWERS = 7795, 7771, 7710, 7775


@pytest.fixture
async def card_shop(desk: Counter, keyring: Keyring) -> AsyncIterator[Shop]:
    """Return a customer at a till, whose card is charged through the gateway."""
    async with world(MemoryStore(), keyring, institution=desk.institution) as made:
        yield await open_shop(made)


def booked(host: CardHost) -> list[tuple[State, int]]:
    return [(entry.state, entry.minor_units) for entry in host.books.entries.values()]


async def test_a_sale_with_everything_is_charged_once(card_shop: Shop, host: CardHost) -> None:
    process = await card_shop.scan(charge(1250), burn(200), ADMIT)
    completed = (await card_shop.till.complete(process.process_id)).process
    await card_shop.world.settle()

    assert process.state == p.PROCESS_STATE_INSTRUCTED
    assert completed.state == p.PROCESS_STATE_COMPLETED
    assert booked(host) == [(State.TAKEN, 1250)]
    assert (await host.hears("0100")).field(2) == GOOD_CARD


async def test_a_sale_that_is_taken_back_is_given_back(card_shop: Shop, host: CardHost) -> None:
    process = await card_shop.scan(charge(1250))
    await card_shop.till.complete(process.process_id)
    await card_shop.world.settle()
    card_shop.world.clock.move(seconds=1)
    await card_shop.till.reverse(process.process_id)
    await card_shop.world.settle()

    assert booked(host) == [(State.RETURNED, 1250)]


@pytest.mark.parametrize(
    ("minor_units", "reason"),
    [
        (77_51, a.REFUSAL_REASON_INSUFFICIENT_FUNDS),
        (77_54, a.REFUSAL_REASON_CARD_EXPIRED),
        (PARTIAL, a.REFUSAL_REASON_PARTIAL_APPROVAL),
    ],
)
async def test_a_refused_card_releases_everything(
    card_shop: Shop, host: CardHost, minor_units: int, reason: int
) -> None:
    before = await card_shop.belongings()

    process = await card_shop.scan(charge(minor_units), burn(200), ADMIT, pay_bill("B-7"))
    await card_shop.world.settle()

    assert process.refusal.reason == reason
    assert await card_shop.belongings() == before
    assert State.HELD not in {state for state, _ in booked(host)}


async def test_a_lost_answer_ends_with_the_sale_expired_and_the_money_given_back(
    card_shop: Shop, desk: Counter, host: CardHost
) -> None:
    before = await card_shop.belongings()
    desk.give_up_waiting()

    process = await card_shop.scan(charge(NO_ANSWER), burn(200), wait_milliseconds=1)
    await card_shop.world.settle()
    unknown = await card_shop.till.get(process.process_id)
    await desk.pass_time(60)
    await desk.acknowledged(f"{process.process_id}-0")
    await card_shop.world.pass_time(seconds=119)
    await card_shop.world.pass_time(seconds=1)

    ended = await card_shop.till.get(process.process_id)
    assert unknown.state == p.PROCESS_STATE_AUTHORISING
    assert ended.state in {p.PROCESS_STATE_DECLINED, p.PROCESS_STATE_EXPIRED}
    assert booked(host) == [(State.RETURNED, NO_ANSWER)]
    assert await card_shop.belongings() == before


async def test_a_capture_that_the_host_refuses_is_left_to_a_person(
    card_shop: Shop, host: CardHost
) -> None:
    process = await card_shop.scan(charge(CAPTURE_REFUSED))
    await card_shop.till.complete(process.process_id)
    await card_shop.world.settle()

    assert [each.process_id for each in await card_shop.unresolved()] == [process.process_id]
    assert booked(host) == [(State.HELD, CAPTURE_REFUSED)]


async def test_a_reversal_whose_answers_are_lost_is_delivered_all_the_same(
    card_shop: Shop, desk: Counter, host: CardHost
) -> None:
    process = await card_shop.scan(charge(LOST_REVERSAL_ANSWERS))
    desk.give_up_waiting()
    await card_shop.till.reverse(process.process_id)
    await card_shop.world.settle()
    await desk.pass_time(60)
    await desk.pass_time(60)
    await desk.acknowledged(f"{process.process_id}-0")
    await card_shop.world.pass_time(seconds=10)

    ended = await card_shop.till.get(process.process_id)
    assert ended.actions[0].settlement == a.SETTLEMENT_RELEASED
    assert booked(host) == [(State.RETURNED, LOST_REVERSAL_ANSWERS)]
