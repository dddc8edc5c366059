"""What leaves the journal with the years, and that it still verifies."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from tallymark.v1 import operator_service_pb2 as o
from tallymark_admin.journal_check import check_file
from tallymark_protocol.checkpoint import Checkpoint
from tallymark_protocol.journal_messages import entry_of
from tallymark_server.domain.model.journal import GENESIS, Record
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

from .ageing import DAY_SECONDS, pass_days
from .repetitions import complete


async def listed(shop: Shop) -> list[bytes]:
    """Return the journal as `tallymark-admin audit export` writes it."""
    request = o.ListJournalRequest(size=1_000)
    answer = await shop.world.operator.call("ListJournal", request)
    return [MessageToJson(entry, indent=None).encode() for entry in answer.entries]


async def test_a_journal_whose_payloads_were_erased_still_verifies(
    keyring: Keyring, tmp_path: Path
) -> None:
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
    path = tmp_path / "journal.jsonl"
    async with world(store, keyring) as made:
        shop = await open_shop(made)
        await made.operator.set_policy(keep_journal_days=40)
        await complete(shop)
        before = [entry_of(line) for line in await listed(shop)]
        seen = Checkpoint(partition=0, sequence=len(before), chain_hash=before[-1].chain_hash)
        await pass_days(shop, 31)
        assert not any(entry_of(line).payload_hash for line in await listed(shop))
        await shop.world.pass_time(seconds=10 * DAY_SECONDS)
        for _ in range(3):  # the last entries of the first look are those of removing, and young
            await made.app.purger.look()

        after = await listed(shop)
        path.write_bytes(b"\n".join(after) + b"\n")
        checked = check_file(path, [seen])

        assert checked.problems == ()
        assert checked.erased == checked.erased_to == len(before)
        entries = [entry_of(line) for line in after]
        assert [(one.sequence, one.chain_hash) for one in entries[: len(before)]] == [
            (one.sequence, one.chain_hash) for one in before
        ]
        assert all(not entry.payload for entry in entries[: len(before)])
        assert entries[-1].payload, "what is young stays"
        path.write_bytes(after[0].replace(b'"command": "', b'"command": "Not') + b"\n")
        assert [problem.fault for problem in check_file(path, []).problems] == ["edited"]
    await store.close()


async def test_only_payloads_leave_the_journal(tmp_path: Path, keyring: Keyring) -> None:
    path = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(path, keyring.cells)
    record = Record(
        decided_at=1, command="C", caller="c", process_id="", state=0, payload="what was decided"
    )
    await store.save({}, [GENESIS.follow(0, record)])
    await store.erase_payloads(0, after_sequence=0, limit=9)
    await store.close()

    assert b"what was decided" not in path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        for change in ("payload = 'other'", "caller = 'd'", f"payload_sha256 = '{64 * 'a'}'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(f"UPDATE journal SET {change}")  # noqa: S608 -- our own texts
    again = await SqliteStore.open(path, keyring.cells)
    (entry,) = await again.journal(0, after_sequence=0, limit=9)
    assert GENESIS.follow(0, entry.record) == entry
    await again.close()
