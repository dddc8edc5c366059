"""The same request again: the same answer and no second effect; another body: refused."""

import asyncio

import pytest

from tallymark_protocol.errors import TallymarkError
from tallymark_server.domain import decide
from tests.integration.repeatable_requests import PREPARE, Prepared
from tests.world.shop import Shop

REPEATABLE_BY_ITSELF = {"ReverseProcess"}
"""What was reversed tells by whom, so that even a forgetful server reverses once."""


async def answers(prepared: Prepared) -> list[bytes]:
    """Send a request twice at once and once later; return the three answers."""
    actor, rpc, request, _ = prepared
    at_once = await asyncio.gather(actor.call(rpc, request), actor.call(rpc, request))
    later = await actor.call(rpc, request)
    return [answer.SerializeToString(deterministic=True) for answer in (*at_once, later)]


async def has_one_effect(shop: Shop, prepared: Prepared) -> bool:
    """Say whether repetitions are answered byte for byte alike and change nothing more."""
    actor, rpc, request, _ = prepared
    try:
        first, *others = await answers(prepared)
        effects = await shop.everything()
        await actor.call(rpc, request)
    except TallymarkError:
        return False
    return others == [first, first] and await shop.everything() == effects


@pytest.mark.parametrize("rpc", PREPARE)
async def test_a_repeated_request_has_one_effect_and_one_answer(kept_shop: Shop, rpc: str) -> None:
    prepared = await PREPARE[rpc](kept_shop)

    assert await has_one_effect(kept_shop, prepared)


@pytest.mark.parametrize("rpc", PREPARE)
async def test_another_body_under_the_same_id_is_refused_and_changes_nothing(
    shop: Shop, rpc: str
) -> None:
    actor, _, request, other_body = await PREPARE[rpc](shop)
    await actor.call(rpc, request)
    effects = await shop.everything()

    assert await actor.reason(rpc, other_body) == "REQUEST_ID_REUSED"
    assert await shop.everything() == effects


@pytest.mark.parametrize("rpc", [rpc for rpc in PREPARE if rpc not in REPEATABLE_BY_ITSELF])
async def test_the_check_finds_a_server_that_forgets_what_it_answered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, rpc: str
) -> None:
    monkeypatch.setattr(decide, "_earlier_answer", lambda *_: None)
    prepared = await PREPARE[rpc](shop)

    assert not await has_one_effect(shop, prepared)
