"""G18: keys are replaced while customers pay; nobody honest notices, and old keys end on time.

The store is a real one with its own keys. Signing keys, cells and the server's TLS key take turns;
after each TLS rotation the till connects anew. In between the server is stopped and started again,
with cells of several keys in its tables.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1 import terminal_service_pb2 as t
from tallymark_protocol.code_format import parse, sign
from tallymark_protocol.errors import TallymarkError
from tallymark_server.keyring import Keyring
from tallymark_server.keys.signing import SigningRing
from tallymark_server.storage.sqlite import SqliteStore
from tests.proof import Proof
from tests.world.actions import burn
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import MovedClock
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.world import World

pytestmark = pytest.mark.guarantee

KINDS = (o.KEY_KIND_SIGNING, o.KEY_KIND_CELLS, o.KEY_KIND_TLS)

SCANS_BETWEEN = 5
OVERLAP_SECONDS = 3_600 + 60


@asynccontextmanager
async def served(
    folder: Path, clock: MovedClock, authority: Any, *, again: bool = False
) -> AsyncIterator[World]:
    keyring = Keyring.open(folder / "keys")
    store = await SqliteStore.open(folder / "tallymark.sqlite3", keyring.cells)
    try:
        async with world(store, keyring, clock=clock, authority=authority, again=again) as made:
            yield made
    finally:
        await store.close()


async def keys(made: World) -> list[o.ServerKey]:
    return list((await made.operator.call("ListKeys", o.ListKeysRequest())).server_keys)


async def rotate(made: World, kind: "o.KeyKind.ValueType") -> None:
    """Replace the key of this kind that is in use."""
    (in_use,) = [key.key_id for key in await keys(made) if key.kind == kind and key.in_use]
    answer = await made.operator.call("RotateKey", o.RotateKeyRequest(kind=kind, key_id=in_use))
    assert answer.key.key_id != in_use


async def pay(shop: Shop, seen: Counter[str]) -> None:
    """Issue a code, let a key change perhaps happen, scan it and report."""
    try:
        code = await shop.phone.issue()
        await asyncio.sleep(0)
        process = await shop.till.resolve(code, burn(1))
        await shop.till.complete(process.process_id)
    except TallymarkError as error:
        seen[str(error.reason)] += 1
    else:
        seen["paid"] += 1


async def test_nobody_honest_notices_that_keys_are_replaced(tmp_path: Path, proof: Proof) -> None:
    rotations = proof.trials(ci=12, campaign=300)
    clock, authority, seen = MovedClock(), new_authority(LONG_LIVES), Counter[str]()
    async with served(tmp_path, clock, authority) as made:
        shop = await open_shop(made)
        operator = made.operator
        await operator.add_points(shop.phone, 1_000_000, "more")
        await _pay_and_rotate(shop, rotations // 2, seen)
        await rotate(made, o.KEY_KIND_CELLS)  # and stop before every row is sealed anew

    async with served(tmp_path, clock, authority, again=True) as made:
        made.operator = operator
        for actor in (operator, shop.phone, shop.till):
            await made.connect(actor)
        shop.world = made
        await _pay_and_rotate(shop, rotations - rotations // 2, seen)
        left = await _cells_left_on_old_keys(made)

    proof.record(
        "G18 scans while keys are replaced",
        trials=seen.total(),
        failures=seen.total() - seen["paid"] + left,
        faults_fired={"rotations": rotations + 1, "restarts": 1},
        mutants_killed=("the key of before dropped at once",),
        figures={"cells_left_on_old_keys": left},
    )


async def _pay_and_rotate(shop: Shop, rotations: int, seen: Counter[str]) -> None:
    for number in range(rotations):
        kind = KINDS[number % len(KINDS)]
        scans = [pay(shop, seen) for _ in range(SCANS_BETWEEN)]
        # One scan after the other, with the rotation in the midst of them.
        await asyncio.gather(_in_turn(scans), rotate(shop.world, kind))
        if kind == o.KEY_KIND_TLS:
            await shop.world.connect(shop.till)
        shop.world.clock.move(seconds=10)


async def _in_turn(scans: list[Any]) -> None:
    for scan in scans:
        await scan


async def _cells_left_on_old_keys(made: World) -> int:
    """Wait until sealing anew has come to its end, and return what it left."""
    for _ in range(1_000):
        old = [key for key in await keys(made) if key.kind == o.KEY_KIND_CELLS and not key.in_use]
        if not old:
            return 0
        await asyncio.sleep(0.01)
    return sum(key.cells_left for key in old)


async def test_a_key_ends_after_its_overlap_and_a_revoked_one_at_once(
    tmp_path: Path, proof: Proof
) -> None:
    """Codes are signed with the old keys themselves, as a thief of the key folder could."""
    trials = proof.trials(ci=20, campaign=200)
    clock, seen = MovedClock(), Counter[str]()
    async with served(tmp_path, clock, new_authority(LONG_LIVES)) as made:
        shop = await open_shop(made)
        for number in range(trials):
            old = made.keyring.signing.current
            code = await shop.phone.issue()
            forged = sign(
                parse(code).claims,
                key_id=old.key_id,
                private_key=old.private_key,
                epoch=made.keyring.epoch,
            )
            if number % 2:
                note = o.RevokeKeyRequest(key_id=old.key_id, note="stolen")
                await made.operator.call("RevokeKey", note)
            else:
                await rotate(made, o.KEY_KIND_SIGNING)
                clock.move(seconds=OVERLAP_SECONDS)
            listed = await shop.till.call("ListVerificationKeys", t.ListVerificationKeysRequest())
            now = listed.server_time.ToSeconds()
            good = {key.key_id for key in listed.keys if now < key.valid_until.ToSeconds()}
            assert old.key_id not in good
            reason = await shop.till.reason(
                "ResolveCode", shop.till.resolve_request(forged, burn(1))
            )
            seen[reason] += 1

    proof.record(
        "G18 codes of keys that have ended or were revoked",
        trials=trials,
        failures=trials - seen["CODE_KEY_UNKNOWN"],
        faults_fired=dict(seen),
    )


async def test_dropping_the_key_of_before_at_once_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a rotation without overlap."""
    monkeypatch.setattr(
        SigningRing, "rotate", lambda ring, now: ring.revoke(ring.current.key_id, now)
    )
    async with served(tmp_path, MovedClock(), new_authority(LONG_LIVES)) as made:
        shop = await open_shop(made)
        code = await shop.phone.issue()
        await rotate(made, o.KEY_KIND_SIGNING)

        reason = await shop.till.reason("ResolveCode", shop.till.resolve_request(code, burn(1)))

    assert reason == "CODE_KEY_UNKNOWN"
