"""What an operator learns from comparing a day with the credit institution's own list."""

from unittest.mock import AsyncMock

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import credit_institution_service_pb2 as i
from tallymark.v1 import operator_service_pb2 as o
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.authorisation import InstitutionSilent, ListedAuthorisation
from tests.world.actions import charge
from tests.world.clock import START
from tests.world.messages import euro
from tests.world.shop import Shop

CAPTURE_REFUSED = 7771
DAY_SECONDS = 86_400


async def reconciled(shop: Shop, *, starts_at: int = START - 1_000) -> o.ReconcileDayResponse:
    request = o.ReconcileDayRequest()
    request.starts_at.FromMilliseconds(starts_at)
    answer: o.ReconcileDayResponse = await shop.world.operator.call("ReconcileDay", request)
    return answer


async def sold(shop: Shop, minor_units: int) -> str:
    process = await shop.scan(charge(minor_units))
    await shop.till.complete(process.process_id)
    await shop.world.settle()
    return process.process_id


async def charged_there(shop: Shop, identifier: str, minor_units: int) -> None:
    """Let somebody who is not this server have an amount held."""
    await shop.world.institution.authorise(
        identifier,
        card_token="sim_token",
        currency_code="EUR",
        minor_units=minor_units,
        merchant_id="cafe",
        terminal_id="till-1",
        deadline_seconds=10,
    )


async def test_a_day_on_which_all_went_well_has_equal_sums(kept_shop: Shop) -> None:
    await sold(kept_shop, 420)
    undone = await sold(kept_shop, 1_000)
    await kept_shop.till.reverse(undone)
    declined = await kept_shop.scan(charge(77_51))
    await kept_shop.scan(charge(80))
    await kept_shop.world.settle()

    answer = await reconciled(kept_shop)

    assert declined.refusal.reason == a.REFUSAL_REASON_INSUFFICIENT_FUNDS
    assert (answer.lasting, answer.under_way, answer.compared) == (0, 0, 4)
    assert list(answer.differences) == []
    assert list(answer.sums_here) == list(answer.sums_there) == [euro(500)]


async def test_what_is_only_there_or_stands_differently_is_listed_before_what_is_under_way(
    shop: Shop,
) -> None:
    refused = await sold(shop, CAPTURE_REFUSED)
    await charged_there(shop, "somebody-0", 900)
    lost = "0" * 34
    await charged_there(shop, f"{lost}-0", 50)
    process = await shop.scan(charge(80))
    await shop.world.institution.reverse(f"{process.process_id}-0", note="", deadline_seconds=10)

    answer = await reconciled(shop)

    found = {one.authorisation_id: one for one in answer.differences}
    only_there = o.CHARGE_DIFFERENCE_KIND_ONLY_THERE
    assert (answer.lasting, answer.under_way) == (3, 1)
    assert [one.under_way for one in answer.differences] == [False, False, False, True]
    assert found["somebody-0"].kind == found[f"{lost}-0"].kind == only_there
    assert found["somebody-0"].amount_there == euro(900)
    assert not found["somebody-0"].process_id
    stuck = found[f"{refused}-0"]
    assert stuck.kind == o.CHARGE_DIFFERENCE_KIND_STATE
    assert stuck.settlement_here == a.SETTLEMENT_MANUAL
    assert stuck.state_there == i.AUTHORIZATION_STATE_DECIDED
    assert stuck.amount_here == stuck.amount_there == euro(CAPTURE_REFUSED)
    assert found[f"{process.process_id}-0"].process_id == process.process_id
    assert list(answer.sums_here) == [euro(CAPTURE_REFUSED + 80)]
    assert list(answer.sums_there) == [euro(CAPTURE_REFUSED + 950)]


async def test_an_authorisation_that_the_institution_lost_is_only_here(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    process_id = await sold(shop, 420)
    lists_nothing = AsyncMock(return_value=[])
    monkeypatch.setattr(shop.world.institution, "list_between", lists_nothing)

    (difference,) = (await reconciled(shop)).differences

    assert difference.kind == o.CHARGE_DIFFERENCE_KIND_ONLY_HERE
    assert difference.authorisation_id == f"{process_id}-0"
    assert difference.state_there == i.AUTHORIZATION_STATE_NEVER_SEEN


async def test_a_day_has_the_charges_made_on_it_though_clocks_differ(shop: Shop) -> None:
    """The institution's clock is 1,800,000,000 s too, and the server's half an hour ahead."""
    await sold(shop, 420)
    shop.world.clock.move(seconds=1_800)
    await sold(shop, 300)

    half_past = START + 1_800_000
    before = await reconciled(shop, starts_at=half_past - DAY_SECONDS * 1_000)
    after = await reconciled(shop, starts_at=half_past)

    assert (before.compared, after.compared) == (1, 1)
    assert list(before.sums_here) == list(before.sums_there) == [euro(420)]
    assert list(after.sums_here) == list(after.sums_there) == [euro(300)]
    assert not before.differences
    assert not after.differences


async def test_a_silent_institution_is_compared_with_later(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_silent = AsyncMock(side_effect=InstitutionSilent)
    monkeypatch.setattr(shop.world.institution, "list_between", is_silent)
    request = o.ReconcileDayRequest()
    request.starts_at.FromMilliseconds(START)

    reason = await shop.world.operator.reason("ReconcileDay", request)

    assert reason == Reason.INSTITUTION_UNAVAILABLE


async def test_what_changes_while_it_is_compared_counts_as_under_way(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    process_id = await sold(shop, 420)
    listed = shop.world.institution.list_between

    async def undone_meanwhile(*span: int, deadline_seconds: float) -> list[ListedAuthorisation]:
        await shop.till.reverse(process_id)
        await shop.world.settle()
        return await listed(*span, deadline_seconds=deadline_seconds)

    monkeypatch.setattr(shop.world.institution, "list_between", undone_meanwhile)

    answer = await reconciled(shop)

    assert (answer.lasting, answer.under_way) == (0, 1)
    assert (await reconciled(shop)).differences == []


@pytest.mark.parametrize("nanos", [-1, -(2**31), 2**31 - 1])
async def test_nanoseconds_that_no_second_has_are_no_fault_of_the_server(
    shop: Shop, nanos: int
) -> None:
    request = o.ReconcileDayRequest()
    request.starts_at.seconds = START // 1000
    request.starts_at.nanos = nanos

    assert await shop.world.operator.reason("ReconcileDay", request) in {"OK", "REQUEST_INVALID"}
