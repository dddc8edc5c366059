"""A terminal shows its tag, a phone reads it, and the code is good there only."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark_protocol import terminal_tag
from tallymark_protocol.terminal_tag import TagClaims, TagKind
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.world.actions import burn
from tests.world.messages import new_id
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.signed_requests import sign_in_request

YEAR_SECONDS = 365 * 24 * 3600


async def get_tag(shop: Shop, *, printed: bool = False) -> t.GetTagResponse:
    answer: t.GetTagResponse = await shop.till.call("GetTag", t.GetTagRequest(printed=printed))
    return answer


def issue_request(tag: str) -> c.IssueCodeRequest:
    return c.IssueCodeRequest(request_id=new_id(), purpose=CODE_PURPOSE_GENERAL, terminal_tag=tag)


async def issue(shop: Shop, tag: str) -> c.IssueCodeResponse:
    answer: c.IssueCodeResponse = await shop.phone.call("IssueCode", issue_request(tag))
    return answer


async def reason(shop: Shop, tag: str) -> str:
    return await shop.phone.reason("IssueCode", issue_request(tag))


async def sign_in(shop: Shop) -> None:
    """Open another session: a year is longer than any of them."""
    answer = await shop.phone.call("SignIn", sign_in_request(shop.phone))
    shop.phone.secret = answer.session_token


async def test_the_phone_is_told_where_its_code_is_good(kept_shop: Shop) -> None:
    neighbour = await kept_shop.world.add_terminal("till-2")
    rogue = await kept_shop.world.add_terminal("gate-1", "hall")

    code = await issue(kept_shop, await kept_shop.till.tag())

    assert (code.bound_terminal_id, code.bound_merchant_name) == ("till-1", "Cafe")
    for other in (neighbour, rogue):
        shown = other.resolve_request(code.code, burn(1))
        assert await other.reason("ResolveCode", shown) == "CODE_FOR_OTHER_TERMINAL"
    process = await kept_shop.till.resolve(code.code, burn(1))
    assert process.state == p.PROCESS_STATE_INSTRUCTED


async def test_without_a_tag_a_code_is_good_anywhere(shop: Shop) -> None:
    code = await issue(shop, "")

    assert (code.bound_terminal_id, code.bound_merchant_name) == ("", "")


@pytest.mark.parametrize(
    ("printed", "kind", "life_seconds"),
    [(False, TagKind.DISPLAY, 60), (True, TagKind.PRINTED, YEAR_SECONDS)],
)
async def test_a_tag_tells_its_time_and_is_refused_after_it(
    shop: Shop, *, printed: bool, kind: TagKind, life_seconds: int
) -> None:
    answer = await get_tag(shop, printed=printed)

    claims = terminal_tag.parse(answer.tag).claims
    now_seconds = shop.world.clock.now() // 1000
    assert (claims.terminal_id, claims.merchant_id, claims.kind) == ("till-1", "cafe", kind)
    assert answer.expires_at.seconds == claims.expires_at == now_seconds + life_seconds
    assert answer.next_at.seconds == now_seconds + life_seconds * 3 // 4
    shop.world.clock.move(seconds=life_seconds - 0.001)
    await sign_in(shop)
    assert await reason(shop, answer.tag) == "OK"
    shop.world.clock.move(seconds=0.001)
    assert await reason(shop, answer.tag) == "TAG_INVALID"


async def test_the_policy_says_how_long_a_shown_tag_lives(shop: Shop) -> None:
    await shop.world.operator.set_policy(tag_life_seconds=10)

    answer = await get_tag(shop)

    assert answer.expires_at.seconds == shop.world.clock.now() // 1000 + 10


async def test_no_two_tags_are_alike(shop: Shop) -> None:
    assert (await get_tag(shop)).tag != (await get_tag(shop)).tag


async def test_only_this_server_s_word_is_a_tag(shop: Shop) -> None:
    answer = await get_tag(shop)
    claims = TagClaims(
        terminal_id="till-1",
        merchant_id="cafe",
        expires_at=answer.expires_at.seconds,
        kind=TagKind.DISPLAY,
        nonce=bytes(terminal_tag.NONCE_BYTES),
    )
    forged = terminal_tag.sign(
        claims,
        key_id=terminal_tag.parse(answer.tag).key_id,
        private_key=Ed25519PrivateKey.generate(),
        epoch=shop.world.keyring.epoch,
    )
    altered = answer.tag[:-1] + ("0" if answer.tag[-1] != "0" else "1")

    for text in (forged, altered, answer.tag.lower(), await shop.phone.issue(), "till-1", "TT1:"):
        assert await reason(shop, text) == "TAG_INVALID", text


async def test_a_printed_tag_ends_with_the_key_that_signed_it(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path / "keys")
    async with world(MemoryStore(), keyring) as made:
        shop = await open_shop(made)
        before = await shop.till.tag(printed=True)
        keyring.signing.rotate(made.clock.now())

        in_overlap = await reason(shop, before)
        made.clock.move(seconds=2 * 3_600)
        after_overlap = await reason(shop, before)

        assert (in_overlap, after_overlap) == ("OK", "TAG_INVALID")
        assert await reason(shop, await shop.till.tag(printed=True)) == "OK"


async def test_a_terminal_that_may_not_call_has_no_tag(shop: Shop) -> None:
    tag = await shop.till.tag(printed=True)
    revoke = o.RevokeTerminalRequest(terminal_id="till-1")
    await shop.world.operator.call("RevokeTerminal", revoke)

    assert await reason(shop, tag) == "TAG_INVALID"


async def test_the_same_request_gets_the_same_code_after_the_tag_has_expired(
    kept_shop: Shop,
) -> None:
    request = issue_request(await kept_shop.till.tag())
    first = await kept_shop.phone.call("IssueCode", request)
    kept_shop.world.clock.move(seconds=61)

    again = await kept_shop.phone.call("IssueCode", request)

    assert again.SerializeToString(deterministic=True) == first.SerializeToString(
        deterministic=True
    )
