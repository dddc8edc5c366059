"""Requests that come again after they were removed."""

from collections.abc import Awaitable, Callable

import pytest

from tallymark_server.domain.model.processes import Request
from tallymark_server.keyring import Keyring
from tests.world.shop import Shop
from tests.world.signed_requests import sign_in_request

from .ageing import YEARS_DAYS, kept, opened, pass_days
from .repetitions import Again, add_points, complete, give_up, issue, resolve, reverse


async def _sign_in_again(shop: Shop) -> None:
    answer = await shop.phone.call("SignIn", sign_in_request(shop.phone))
    shop.phone.secret = answer.session_token


@pytest.mark.parametrize(
    ("first", "later", "years_later"),
    [
        (issue, "another code", "another code"),
        (resolve, "OK", "CODE_EXPIRED"),
        (complete, "PROCESS_NOT_INSTRUCTED", "PROCESS_NOT_FOUND"),
        (reverse, "OK", "PROCESS_NOT_FOUND"),
        (give_up, "CODE_EXPIRED", "CODE_EXPIRED"),
        (add_points, "OK", "OK"),
    ],
)
async def test_a_request_repeated_after_it_was_removed_has_no_second_effect(
    keyring: Keyring, first: Callable[[Shop], Awaitable[Again]], later: str, years_later: str
) -> None:
    async with opened(keyring) as shop:
        again = await first(shop)
        before = await shop.belongings()
        for days, answer in ((31, later), (YEARS_DAYS, years_later)):
            await pass_days(shop, days)
            await _sign_in_again(shop)
            assert await again(shop) == answer
            assert await shop.belongings() == before


async def test_requests_go_by_the_journal_whatever_their_ids(keyring: Keyring) -> None:
    async with opened(keyring) as shop:
        for make in (issue, complete, reverse, give_up):
            await make(shop)
        with_effects = await kept(shop, Request)

        await pass_days(shop, 31)
        left = await shop.world.store.scan(Request, 0, limit=100)
        await pass_days(shop, YEARS_DAYS)

        assert with_effects["requests"] > len(left) > 0
        assert all(request.process_id for request in left), "they go with their processes"
        assert await kept(shop, Request) == {"requests": 0}
