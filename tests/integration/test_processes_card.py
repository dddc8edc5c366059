"""What the credit institution says, or fails to say: every charge ends recorded or reversed."""

import asyncio
from unittest.mock import AsyncMock

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import RemoveCardRequest
from tallymark.v1.operator_service_pb2 import PROCESS_SETTLEMENT_TRY_AGAIN, SettleProcessRequest
from tallymark_server.domain.authorisation import (
    AuthorisationLookup,
    AuthorisationState,
    InstitutionSilent,
    ReversalResult,
)
from tallymark_server.domain.model.actions import SettlementTask
from tallymark_server.domain.model.processes import Process
from tallymark_server.lanes import completer, errands
from tests.world.actions import ADMIT, CHARGE_REST, burn, charge, pay_bill
from tests.world.messages import euro, new_id
from tests.world.shop import Shop

DECLINED = {
    77_05: a.REFUSAL_REASON_NOT_HONOURED,
    77_41: a.REFUSAL_REASON_CARD_BLOCKED,
    77_43: a.REFUSAL_REASON_CARD_BLOCKED,
    77_51: a.REFUSAL_REASON_INSUFFICIENT_FUNDS,
    77_54: a.REFUSAL_REASON_CARD_EXPIRED,
    77_59: a.REFUSAL_REASON_SUSPECTED_FRAUD,
    77_62: a.REFUSAL_REASON_CARD_BLOCKED,
    77_10: a.REFUSAL_REASON_PARTIAL_APPROVAL,
}

PARTIAL, SLOW, CAPTURE_REFUSED, REVERSAL_FAILS, REVERSAL_REFUSED = 7710, 7768, 7771, 7775, 7779
TURNED_AWAY, NEVER_ANSWERED, REPLY_SWALLOWED, REPLY_BROKEN = 7791, 7792, 7795, 7796


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server give a silent institution up at once, and look the outcome up later."""
    monkeypatch.setattr(errands, "SOFT_SECONDS", 0.5)


async def at_the_institution(shop: Shop, process_id: str) -> AuthorisationLookup:
    """Return what the institution has in its books for the process's first action."""
    return await shop.world.institution.find(f"{process_id}-0", deadline_seconds=10)


async def settlements(shop: Shop, process_id: str) -> list[int]:
    return [action.settlement for action in (await shop.till.get(process_id)).actions]


async def open_task(shop: Shop, process_id: str) -> SettlementTask | None:
    key = Process.key_of(process_id)
    process = (await shop.world.store.load([key]))[key]
    assert isinstance(process, Process)
    authorisation = process.actions[0].authorisation
    return authorisation.task if authorisation else None


@pytest.mark.parametrize("minor_units", DECLINED)
async def test_a_declined_card_releases_points_ticket_and_bill(
    kept_shop: Shop, minor_units: int
) -> None:
    before = await kept_shop.belongings()

    process = await kept_shop.scan(charge(minor_units), burn(200), ADMIT, pay_bill("B-7"))
    await kept_shop.world.settle()

    assert process.state == p.PROCESS_STATE_DECLINED
    assert process.refusal.reason == DECLINED[minor_units]
    assert process.actions[0].refusal.reason == DECLINED[minor_units]
    assert await kept_shop.belongings() == before


async def test_a_partial_approval_is_reversed(shop: Shop) -> None:
    process = await shop.scan(charge(PARTIAL))
    await shop.world.settle()

    books = await at_the_institution(shop, process.process_id)
    assert process.refusal.reason == a.REFUSAL_REASON_PARTIAL_APPROVAL
    assert books.state is AuthorisationState.REVERSED
    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_RELEASED]


async def test_a_plain_decline_has_nothing_to_reverse(shop: Shop) -> None:
    process = await shop.scan(charge(77_51))
    await shop.world.settle()

    books = await at_the_institution(shop, process.process_id)
    assert books.state is AuthorisationState.DECIDED
    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_NONE]


async def test_a_slow_approval_is_answered_with_authorising_and_told_later(shop: Shop) -> None:
    process = await shop.scan(charge(SLOW), burn(200), wait_milliseconds=1)
    await shop.world.institution_clock.somebody_waits.wait()
    shop.world.institution_clock.advance(8)
    instructed = await shop.wait_for(process.process_id, p.PROCESS_STATE_INSTRUCTED)

    assert process.state == p.PROCESS_STATE_AUTHORISING
    assert process.poll_until.seconds - process.created_at.seconds == 180
    assert not any(action.HasField("instruction") for action in process.actions)
    assert instructed.actions[0].instruction.charge.amount == euro(SLOW)


@pytest.mark.usefixtures("impatient")
async def test_an_approval_later_than_the_waiting_ends_instructed_by_looking_up(
    shop: Shop,
) -> None:
    process = await shop.scan(charge(SLOW), wait_milliseconds=1)
    await shop.world.settle()
    shop.world.institution_clock.advance(8)
    await shop.world.pass_time(seconds=2)

    assert (await shop.till.get(process.process_id)).state == p.PROCESS_STATE_INSTRUCTED


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("minor_units", [TURNED_AWAY, REPLY_SWALLOWED, REPLY_BROKEN])
async def test_a_lost_answer_is_looked_up_and_the_charge_recorded_once(
    kept_shop: Shop,
    minor_units: int,
) -> None:
    process = await kept_shop.scan(charge(minor_units), wait_milliseconds=1)
    await kept_shop.world.settle()
    unknown = await kept_shop.till.get(process.process_id)
    await kept_shop.world.pass_time(seconds=2)
    await kept_shop.till.complete(process.process_id)
    await kept_shop.world.settle()

    books = await at_the_institution(kept_shop, process.process_id)
    assert unknown.state == p.PROCESS_STATE_AUTHORISING
    assert books.state is AuthorisationState.CAPTURED
    assert await settlements(kept_shop, process.process_id) == [a.SETTLEMENT_SETTLED]


@pytest.mark.usefixtures("impatient")
async def test_a_charge_that_is_never_answered_expires_and_is_reversed(
    kept_shop: Shop,
) -> None:
    before = await kept_shop.belongings()

    process = await kept_shop.scan(charge(NEVER_ANSWERED), burn(200), ADMIT, wait_milliseconds=1)
    await kept_shop.world.settle()
    await kept_shop.world.pass_time(seconds=119)
    waiting = await kept_shop.till.get(process.process_id)
    await kept_shop.world.pass_time(seconds=1)
    await kept_shop.world.settle()

    ended = await kept_shop.till.get(process.process_id)
    books = await at_the_institution(kept_shop, process.process_id)
    assert waiting.state == p.PROCESS_STATE_AUTHORISING
    assert ended.state == p.PROCESS_STATE_EXPIRED
    assert ended.refusal.reason == a.REFUSAL_REASON_INSTITUTION_UNREACHABLE
    assert books.state is AuthorisationState.REVERSED
    assert ended.actions[0].settlement == a.SETTLEMENT_RELEASE_PENDING
    assert await kept_shop.belongings() == before
    for _ in range(2):
        await kept_shop.world.pass_time(seconds=120)
    assert await settlements(kept_shop, process.process_id) == [
        a.SETTLEMENT_RELEASED,
        a.SETTLEMENT_RELEASED,
        a.SETTLEMENT_RELEASED,
    ]


async def test_an_answer_after_the_process_expired_is_reversed(shop: Shop) -> None:
    process = await shop.scan(charge(SLOW), wait_milliseconds=1)
    await shop.world.institution_clock.somebody_waits.wait()
    shop.world.clock.move(seconds=120)
    await shop.world.app.completer.run_due()
    await shop.wait_for(process.process_id, p.PROCESS_STATE_EXPIRED)
    shop.world.institution_clock.advance(8)
    await shop.world.settle()

    ended = await shop.till.get(process.process_id)
    books = await at_the_institution(shop, process.process_id)
    assert ended.state == p.PROCESS_STATE_EXPIRED
    assert books.state is AuthorisationState.REVERSED
    for _ in range(2):
        await shop.world.pass_time(seconds=120)
    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_RELEASED]


async def test_an_approval_that_comes_after_its_reversal_is_reversed_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reversal finds nothing, and the approval that was on its way all along comes after it."""
    process = await shop.scan(charge(SLOW), wait_milliseconds=1)
    await shop.world.institution_clock.somebody_waits.wait()
    shop.world.clock.move(seconds=1)
    with monkeypatch.context() as forgetful:
        finds_nothing = AsyncMock(return_value=ReversalResult.NEVER_SEEN)
        forgetful.setattr(shop.world.institution, "reverse", finds_nothing)
        await shop.till.reverse(process.process_id)
        while await open_task(shop, process.process_id) is not SettlementTask.RECHECK:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    shop.world.institution_clock.advance(8)
    await shop.world.settle()
    await shop.world.settle()

    books = await at_the_institution(shop, process.process_id)
    assert finds_nothing.await_count == 1
    assert books.state is AuthorisationState.REVERSED
    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_RELEASE_PENDING]


async def test_slow_answers_of_the_institution_delay_no_timer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completer, "TASKS_MAX", 1)
    await shop.scan(charge(SLOW), wait_milliseconds=1)
    await shop.world.institution_clock.somebody_waits.wait()
    process = await shop.scan(burn(1))

    shop.world.clock.move(seconds=60)
    await shop.world.app.completer.run_due()
    await shop.wait_for(process.process_id, p.PROCESS_STATE_OVERDUE)


@pytest.mark.usefixtures("impatient")
async def test_a_sale_given_up_while_authorising_is_released_and_reversed(
    shop: Shop,
) -> None:
    before = await shop.belongings()
    process = await shop.scan(charge(REPLY_SWALLOWED), burn(200), wait_milliseconds=1)
    shop.world.clock.move(seconds=1)

    reversal = await shop.till.reverse(process.process_id)
    await shop.world.settle()

    books = await at_the_institution(shop, process.process_id)
    assert reversal.process.state == p.PROCESS_STATE_RELEASED
    assert books.state is AuthorisationState.REVERSED
    assert await shop.belongings() == before


async def test_a_refused_capture_is_left_to_a_person(shop: Shop) -> None:
    process = await shop.scan(charge(CAPTURE_REFUSED))
    completed = (await shop.till.complete(process.process_id)).process
    await shop.world.settle()

    assert completed.state == p.PROCESS_STATE_COMPLETED
    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_MANUAL]
    assert [each.process_id for each in await shop.unresolved()] == [process.process_id]


async def test_a_reversal_is_tried_six_times_with_growing_waits(shop: Shop) -> None:
    process = await shop.scan(charge(REVERSAL_FAILS))
    await shop.till.reverse(process.process_id)
    await shop.world.settle()
    for wait_seconds in (10, 20, 40, 80):
        await shop.world.pass_time(seconds=wait_seconds)
        assert await settlements(shop, process.process_id) == [a.SETTLEMENT_RELEASE_PENDING]
    await shop.world.pass_time(seconds=160)

    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_RELEASED]


async def test_a_refused_reversal_is_left_to_a_person(shop: Shop) -> None:
    process = await shop.scan(charge(REVERSAL_REFUSED))
    reversed_ = await shop.till.reverse(process.process_id)
    await shop.world.settle()

    assert reversed_.process.state == p.PROCESS_STATE_RELEASED
    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_MANUAL]
    assert [each.process_id for each in await shop.unresolved()] == [process.process_id]


async def test_an_institution_that_was_away_too_long_is_told_again_by_a_person(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await shop.scan(charge(500))
    with monkeypatch.context() as outage:
        outage.setattr(shop.world.institution, "reverse", AsyncMock(side_effect=InstitutionSilent))
        await shop.till.reverse(process.process_id)
        await shop.world.settle()
        for wait_seconds in (10, 20, 40, 80, 160):
            await shop.world.pass_time(seconds=wait_seconds)
    assert [each.process_id for each in await shop.unresolved()] == [process.process_id]

    request = SettleProcessRequest(
        process_id=process.process_id, settlement=PROCESS_SETTLEMENT_TRY_AGAIN, note="It is back."
    )
    await shop.world.operator.call("SettleProcess", request)
    await shop.world.settle()
    for _ in range(2):
        await shop.world.pass_time(seconds=120)

    assert await settlements(shop, process.process_id) == [a.SETTLEMENT_RELEASED]
    assert await shop.unresolved() == []


async def test_without_a_card_there_is_nothing_to_charge(shop: Shop) -> None:
    card = (await shop.phone.wallet()).cards[0]
    code = await shop.phone.issue(card_id=card.card_id)
    removal = RemoveCardRequest(request_id=new_id(), card_id=card.card_id)
    await shop.phone.call("RemoveCard", removal)

    process = await shop.till.resolve(code, CHARGE_REST, sale_total=euro(100))

    assert process.refusal.reason == a.REFUSAL_REASON_NO_CARD
