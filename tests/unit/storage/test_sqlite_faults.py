"""A database that fails: the store stops, and nothing is half done."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tallymark_server.domain.model.journal import GENESIS
from tallymark_server.domain.model.processes import Due, Unresolved
from tallymark_server.storage import sqlite as sqlite_module
from tallymark_server.storage import sqlite_database
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_database import PAGE_BYTES, ExclusiveConnection, connect
from tallymark_server.storage.sqlite_failures import in_plain_words
from tallymark_server.storage.store import StoreFailed
from tests.unit.storage.batches import (
    entries_of_commands,
    everything,
    outside,
    rows_of_commands,
    save,
)
from tests.world.keys import cells_of_tests

Connect = Callable[[Path], ExclusiveConnection]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite3"


async def test_a_full_disk_stops_the_store_and_leaves_nothing_half_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect_to_full_disk(path: Path) -> ExclusiveConnection:
        connection = connect(path)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        return connection

    before = rows_of_commands(3, name="before")
    await use_once(path, connect, monkeypatch, lambda store: save(store, *before))

    with pytest.raises(StoreFailed, match=r"the disk is full\. Make room") as failed:
        await use_once(
            path,
            connect_to_full_disk,
            monkeypatch,
            lambda store: save(store, *rows_of_commands(2000)),
        )

    assert isinstance(failed.value.__cause__, sqlite3.OperationalError)
    reopened = await SqliteStore.open(path, cells_of_tests())
    assert sorted(map(repr, await everything(reopened))) == sorted(map(repr, before))
    await reopened.close()


@pytest.mark.parametrize(
    "denied", ["BEGIN", "points_accounts", "due", "unresolved", "journal", "COMMIT"]
)
async def test_a_save_that_fails_anywhere_leaves_nothing_and_stops_the_store(
    path: Path, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    async def save_then_try_again(store: SqliteStore) -> None:
        changes = {row.key: row for row in rows_of_commands(3)}
        with pytest.raises(StoreFailed):
            await store.save(changes, entries_of_commands(1))
        with pytest.raises(StoreFailed):
            await store.load(changes)

    await use_once(path, _denying(denied), monkeypatch, save_then_try_again)

    reopened = await SqliteStore.open(path, cells_of_tests())
    assert await everything(reopened) == []
    assert await reopened.journal_head(0) == GENESIS
    await reopened.close()


async def test_a_row_that_is_not_new_stops_the_store_if_what_was_done_cannot_be_undone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = rows_of_commands(3)
    await use_once(path, connect, monkeypatch, lambda store: save(store, first))

    async def save_as_new_then_load(store: SqliteStore) -> None:
        changes = {row.key: row for row in (*others, first)}
        with pytest.raises(StoreFailed):
            await store.save(changes, [], changes)
        with pytest.raises(StoreFailed):
            await store.load(changes)

    await use_once(path, _denying("ROLLBACK"), monkeypatch, save_as_new_then_load)

    reopened = await SqliteStore.open(path, cells_of_tests())
    assert await everything(reopened) == [first]
    await reopened.close()


async def test_work_that_was_already_waiting_does_not_slip_past_a_failure(path: Path) -> None:
    store = await SqliteStore.open(path, cells_of_tests())
    outside(path, "DROP TABLE due")

    failed, refused = await asyncio.gather(
        save(store, Due(partition=0, due_at=1, process_id="p")),
        save(store, Unresolved(partition=0, process_id="p")),
        return_exceptions=True,
    )

    await store.close()
    assert isinstance(failed, StoreFailed)
    assert isinstance(refused, StoreFailed)
    assert outside(path, "SELECT count(*) FROM unresolved") == (0,)


async def test_a_row_that_cannot_be_read_stops_the_store(path: Path) -> None:
    store = await SqliteStore.open(path, cells_of_tests())
    outside(path, """INSERT INTO due VALUES (0, 'key', '{"partition":0,"due_at":"soon"}')""")

    with pytest.raises(StoreFailed):
        await store.scan(Due, 0, limit=1)
    with pytest.raises(StoreFailed):
        await store.journal_head(0)

    await store.close()


async def test_a_database_that_does_not_close_properly_is_told_in_the_log_only(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def close_and_fail(connection: ExclusiveConnection) -> None:
        close(connection)
        message = "disk I/O error"
        raise sqlite3.OperationalError(message)

    store = await SqliteStore.open(path, cells_of_tests())
    close = ExclusiveConnection.close
    monkeypatch.setattr(ExclusiveConnection, "close", close_and_fail)

    await store.close()

    assert "did not close properly" in caplog.text


async def use_once(
    path: Path,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[SqliteStore], Awaitable[None]],
) -> None:
    """Open the store with this way to connect, use it, and close it whatever happens."""
    monkeypatch.setattr(sqlite_module, "connect", connect)
    store = await SqliteStore.open(path, cells_of_tests())
    monkeypatch.undo()
    try:
        await use(store)
    finally:
        await store.close()


async def test_a_database_that_somebody_keeps_locked_stops_the_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_database, "BUSY_SECONDS_MAX", 0.05)
    store = await SqliteStore.open(path, cells_of_tests())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreFailed, match="another program keeps the database locked"):
        await save(store, *rows_of_commands(1))

    other.close()
    with pytest.raises(StoreFailed, match="restart"):
        await save(store, *rows_of_commands(1))
    assert "another program" in store.failure
    await store.close()


def damage_pages(path: Path, damage: bytes) -> None:
    """Overwrite the beginning of every page that is not read at the start anyway."""
    content = bytearray(path.read_bytes())
    for at in range(4 * PAGE_BYTES, len(content), PAGE_BYTES):
        content[at : at + len(damage)] = damage
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [b"\xff" * 64, b"\x00" * 64])
async def test_a_page_that_was_damaged_since_the_start_stops_the_store(
    path: Path, damage: bytes
) -> None:
    store = await SqliteStore.open(path, cells_of_tests())
    await save(store, *rows_of_commands(4_000))
    await store.close()
    store = await SqliteStore.open(path, cells_of_tests())
    damage_pages(path, damage)

    with pytest.raises(StoreFailed, match="the database file is damaged"):
        await everything(store)

    await store.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(5, "Input/output error"), "the disk reports an error"),
        (MemoryError(), "no memory left"),
        (ValueError("no hexadecimal"), "the database file is damaged"),
        (sqlite3.OperationalError("strange"), "strange"),
    ],
)
def test_every_failure_is_told_in_words(error: Exception, words: str) -> None:
    assert words in in_plain_words(error)


def _denying(denied: str) -> Connect:
    """Connect to a database where this step, or writing to this table, fails."""

    def connect_with_fault(path: Path) -> ExclusiveConnection:
        connection = connect(path)
        connection.set_authorizer(
            lambda action, name, *_: (
                sqlite3.SQLITE_DENY
                if name == denied and action in {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_TRANSACTION}
                else sqlite3.SQLITE_OK
            )
        )
        return connection

    return connect_with_fault
