"""What an operator does to the server's keys, and what customers and terminals notice of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallymark.v1 import customer_service_pb2, identification_pb2, process_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import terminal_service_pb2 as terminal_contract
from tallymark_protocol.code_format import parse
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.keyring import Keyring
from tallymark_server.keys.signing import CODE_LIFE_SECONDS_MAX, MARGIN_SECONDS, SigningRing
from tallymark_server.lanes import key_keeper
from tallymark_server.services.issued_codes import IssuedCodes
from tallymark_server.services.lookup import Lookup
from tallymark_server.storage.sqlite import SqliteStore
from tests.world.actions import burn, earn
from tests.world.messages import by_request, new_id
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.terminal import Terminal

SIGNING, CELLS, TLS = contract.KEY_KIND_SIGNING, contract.KEY_KIND_CELLS, contract.KEY_KIND_TLS


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """Serve with keys of its own, and seal anew in small steps."""
    monkeypatch.setattr(key_keeper, "CELLS_A_STEP", 5)
    monkeypatch.setattr(key_keeper, "PAUSE_SECONDS", 0)
    keyring = Keyring.open(tmp_path / "keys")
    store = await SqliteStore.open(tmp_path / "data" / "tallymark.sqlite3", keyring.cells)
    try:
        async with world(store, keyring) as served:
            yield await open_shop(served)
    finally:
        await store.close()


async def keys_of(shop: Shop, kind: contract.KeyKind.ValueType) -> list[contract.ServerKey]:
    answer = await shop.world.operator.call("ListKeys", contract.ListKeysRequest())
    return [key for key in answer.server_keys if key.kind == kind]


async def in_use(shop: Shop, kind: contract.KeyKind.ValueType) -> int:
    return next(key.key_id for key in await keys_of(shop, kind) if key.in_use)


async def rotate(
    shop: Shop, kind: contract.KeyKind.ValueType, *, key_id: int | None = None
) -> contract.ServerKey:
    key_id = await in_use(shop, kind) if key_id is None else key_id
    request = contract.RotateKeyRequest(kind=kind, key_id=key_id)
    answer: contract.RotateKeyResponse = await shop.world.operator.call("RotateKey", request)
    return answer.key


async def revoke(shop: Shop, key_id: int) -> contract.ServerKey:
    request = contract.RevokeKeyRequest(key_id=key_id, note="its disk was stolen")
    answer: contract.RevokeKeyResponse = await shop.world.operator.call("RevokeKey", request)
    return answer.key


async def show(till: Terminal, code: str) -> str:
    """Show a code under a new request_id; return "OK" or why not."""
    return await till.reason("ResolveCode", till.resolve_request(code, earn(1)))


def issue_request() -> customer_service_pb2.IssueCodeRequest:
    return customer_service_pb2.IssueCodeRequest(
        request_id=new_id(), purpose=identification_pb2.CODE_PURPOSE_GENERAL
    )


async def buy(shop: Shop, seen: Counter[str]) -> None:
    """Buy something for a point, and ask for everything twice, as after a lost answer."""
    request = issue_request()
    code = (await shop.phone.call("IssueCode", request)).code
    resolve = shop.till.resolve_request(code, burn(1))
    process = (await shop.till.call("ResolveCode", resolve)).process
    code_again = (await shop.phone.call("IssueCode", request)).code
    repeated = (await shop.till.call("ResolveCode", resolve)).process
    await shop.till.complete(process.process_id)
    seen["bought"] += code_again == code and repeated.process_id == process.process_id


async def test_every_answer_can_be_asked_for_again_while_keys_are_replaced(shop: Shop) -> None:
    seen, replaced = Counter[str](), 0

    async def buy_some() -> None:
        for _ in range(40):
            await buy(shop, seen)

    buying = asyncio.create_task(buy_some())
    while not buying.done():
        await rotate(shop, SIGNING)
        await rotate(shop, CELLS)
        replaced += 1
    await buying
    await shop.world.app.key_keeper.look()

    assert replaced > 3
    assert seen["bought"] == 40
    assert await shop.phone.points() == 260
    assert [key.key_id for key in await keys_of(shop, CELLS)] == [replaced + 1]


@pytest.mark.parametrize("method", ["find", "find_valid"])
async def test_a_key_that_is_not_chosen_by_its_number_would_be_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The planted bugs: whatever number is asked for, the key in use is taken.

    Codes are read as after a restart, when none is known by its text.
    """
    monkeypatch.setattr(IssuedCodes, "find", lambda *_: None)
    monkeypatch.setattr(SigningRing, method, lambda ring, *_: ring.current)
    request = issue_request()
    code = (await shop.phone.call("IssueCode", request)).code
    await rotate(shop, SIGNING)

    if method == "find":
        assert await shop.phone.reason("IssueCode", request) == "CODE_KEY_UNKNOWN"
    else:
        assert await show(shop.till, code) == "CODE_NOT_GENUINE"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (CODE_LIFE_SECONDS_MAX - 1, "OK"),
        (CODE_LIFE_SECONDS_MAX, "CODE_EXPIRED"),
        (CODE_LIFE_SECONDS_MAX + MARGIN_SECONDS, "CODE_KEY_UNKNOWN"),
    ],
)
async def test_the_key_before_is_good_as_long_as_the_longest_code(
    shop: Shop, seconds: int, expected: str
) -> None:
    await shop.world.operator.set_policy(code_life_seconds=CODE_LIFE_SECONDS_MAX)
    shop.world.clock.milliseconds += 1_000 - shop.world.clock.milliseconds % 1_000
    code = await shop.phone.issue()
    await rotate(shop, SIGNING)
    shop.world.clock.move(seconds=seconds)

    assert await show(shop.till, code) == expected

    await shop.world.app.key_keeper.look()
    left = {key.key_id: key.valid_until.seconds for key in await keys_of(shop, SIGNING)}
    assert (1 in left) == (expected != "CODE_KEY_UNKNOWN")
    assert left[2] == 0


async def test_a_key_without_an_end_would_be_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a key is good as long as it is there."""
    monkeypatch.setattr(SigningRing, "find_valid", lambda ring, key_id, _: ring.find(key_id))
    code = await shop.phone.issue()
    await rotate(shop, SIGNING)
    shop.world.clock.move(seconds=CODE_LIFE_SECONDS_MAX + MARGIN_SECONDS)

    assert await show(shop.till, code) == "CODE_EXPIRED"


@pytest.mark.parametrize("is_in_use", [True, False])
async def test_a_key_that_is_given_up_ends_its_codes_at_once_and_no_others(
    shop: Shop, *, is_in_use: bool
) -> None:
    code = await shop.phone.issue()
    if not is_in_use:
        await rotate(shop, SIGNING)

    answer = await revoke(shop, 1)

    assert (answer.key_id, answer.in_use) == (2, True)
    assert await show(shop.till, code) == "CODE_KEY_UNKNOWN"
    assert await show(shop.till, await shop.phone.issue()) == "OK"
    assert [key.key_id for key in await keys_of(shop, SIGNING)] == [2]


async def test_a_key_that_is_only_replaced_would_be_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: to give a key up is to replace it."""
    monkeypatch.setattr(SigningRing, "revoke", lambda ring, _, now: ring.rotate(now))
    code = await shop.phone.issue()
    await revoke(shop, parse(code).key_id)

    assert await show(shop.till, code) == "OK"


async def test_a_code_whose_key_was_given_up_is_not_made_again(shop: Shop) -> None:
    request = issue_request()
    code = (await shop.phone.call("IssueCode", request)).code
    await revoke(shop, parse(code).key_id)

    assert await shop.phone.reason("IssueCode", request) == "CODE_KEY_UNKNOWN"


async def test_what_was_decided_about_a_code_is_still_told_when_its_key_is_gone(
    shop: Shop,
) -> None:
    code = await shop.phone.issue()
    resolve = shop.till.resolve_request(code, burn(1))
    process = (await shop.till.call("ResolveCode", resolve)).process
    await revoke(shop, parse(code).key_id)

    again = (await shop.till.call("ResolveCode", resolve)).process
    reference = by_request(code, resolve.request_id)
    found = await shop.till.call(
        "GetProcess", terminal_contract.GetProcessRequest(reference=reference)
    )
    completed = (await shop.till.complete(process.process_id)).process

    assert again.process_id == found.process.process_id == process.process_id
    assert completed.state == process_pb2.PROCESS_STATE_COMPLETED
    assert await show(shop.till, code) == "CODE_KEY_UNKNOWN"


async def test_an_answer_that_got_lost_before_its_key_would_be_missed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: nobody looks what was decided about a code whose key is gone."""

    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(Lookup, "_decided", nothing)
    code = await shop.phone.issue()
    resolve = shop.till.resolve_request(code, burn(1))
    await shop.till.call("ResolveCode", resolve)
    await revoke(shop, parse(code).key_id)

    assert await shop.till.reason("ResolveCode", resolve) == "CODE_KEY_UNKNOWN"


@pytest.mark.parametrize("kind", [SIGNING, CELLS, TLS])
async def test_a_rotation_that_is_asked_for_again_makes_one_key(
    shop: Shop, kind: contract.KeyKind.ValueType
) -> None:
    answers = await asyncio.gather(*(rotate(shop, kind, key_id=1) for _ in range(5)))

    assert {(key.key_id, key.in_use) for key in answers} == {(2, True)}
    assert await in_use(shop, kind) == 2


async def test_a_key_that_was_given_up_is_given_up_again_without_harm(shop: Shop) -> None:
    first = await revoke(shop, 1)

    assert await revoke(shop, 1) == first


async def test_without_a_free_number_nothing_is_done(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallymark_server.keys.signing._IDS", range(1, 3))
    await rotate(shop, SIGNING)
    request = contract.RotateKeyRequest(kind=SIGNING, key_id=2)

    assert await shop.world.operator.reason("RotateKey", request) == "OVERLOADED"
    assert await in_use(shop, SIGNING) == 2


async def test_the_journal_tells_who_had_what_done_to_which_key(shop: Shop) -> None:
    for kind in (SIGNING, CELLS, TLS):
        await rotate(shop, kind)
    await revoke(shop, 1)
    await rotate(shop, SIGNING, key_id=1)  # which is not in use: nothing is done

    entries = await shop.world.store.journal(DIRECTORY, after_sequence=0, limit=1_000)
    told = [entry.record for entry in entries if "Key" in entry.record.command]
    assert [(one.command, one.caller) for one in told] == [
        *[("RotateKey", "operator/first")] * 3,
        ("RevokeKey", "operator/first"),
    ]
    assert [one.payload.partition('"key":')[2] for one in told] == [
        '"SIGNING 1"}',
        '"CELLS 1"}',
        '"TLS 1"}',
        '"SIGNING 1"}',
    ]


async def test_nothing_is_done_to_a_key_before_the_journal_has_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallymark_server.lanes.lane.QUEUE_MAX", 0)
    monkeypatch.setattr("tallymark_server.lanes.lane.ENDING_MAX", 0)
    operator = shop.world.operator
    rotation = contract.RotateKeyRequest(kind=SIGNING, key_id=1)
    revocation = contract.RevokeKeyRequest(key_id=1, note="stolen")

    assert await operator.reason("RotateKey", rotation) == "OVERLOADED"
    assert await operator.reason("RevokeKey", revocation) == "OVERLOADED"
    assert [key.key_id for key in await keys_of(shop, SIGNING)] == [1]


async def test_the_operator_sees_how_much_is_left_to_be_sealed_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.world.app.key_keeper, "notice", lambda: None)
    shop.world.keyring.cells.rotate(shop.world.clock.now())

    old, new = await keys_of(shop, CELLS)
    await shop.world.app.key_keeper.look()
    (left,) = await keys_of(shop, CELLS)

    assert (old.key_id, old.in_use, new.key_id, new.in_use) == (1, False, 2, True)
    assert old.cells_left > 10
    assert new.valid_from.seconds == shop.world.clock.now() // 1000
    assert (left.key_id, left.cells_left) == (2, 0)


async def test_a_key_that_sealed_enough_is_replaced_by_itself(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallymark_server.keys.cells.WORN_AT", 1)

    await shop.world.app.key_keeper.look()

    assert [key.key_id for key in await keys_of(shop, CELLS)] == [2]


async def test_what_cannot_be_finished_now_is_told_and_tried_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        message = "No space left on device"
        raise OSError(message)

    shop.world.keyring.cells.rotate(shop.world.clock.now())
    with monkeypatch.context() as patch:
        patch.setattr("tallymark_server.keys.folder.KeyFolder.remove", fail)
        await shop.world.app.key_keeper.look()
    assert "replaced keys are kept for now: No space left on device" in caplog.text
    assert len(await keys_of(shop, CELLS)) == 2

    await shop.world.app.key_keeper.look()

    assert len(await keys_of(shop, CELLS)) == 1
