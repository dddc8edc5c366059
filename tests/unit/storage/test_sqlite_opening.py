"""Opening a SQLite database: for one server alone, durable, and of a version that is known."""

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tallymark_server.storage import sqlite_database, sqlite_journal
from tallymark_server.storage.sqlite import SqliteStore, StoreRefused
from tallymark_server.storage.sqlite_database import (
    PAGE_BYTES,
    UNSEALED_APPLICATION_ID,
    connect,
    make_durable,
    sqlite_warnings,
)
from tallymark_server.storage.store import StoreFailed
from tests.unit.storage.batches import entries_of_commands, outside
from tests.world.keys import cells_of_tests

SERVER = """
import asyncio, pathlib, sys
from tallymark_server.domain.model.processes import Unresolved
from tallymark_server.storage.sqlite import SqliteStore
from tests.world.keys import cells_of_tests

async def serve() -> None:
    store = await SqliteStore.open(pathlib.Path(sys.argv[1]), cells_of_tests())
    row = Unresolved(partition=0, process_id="sale")
    await store.save({row.key: row}, [])
    print("saved", flush=True)
    sys.stdin.read()

asyncio.run(serve())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tallymark.sqlite3"


def open_and_close(path: Path) -> tuple[str, ...]:
    connection = connect(path)
    connection.close()
    return connection.warnings


def test_the_database_is_durable_and_read_without_memory_maps(path: Path) -> None:
    connection = connect(path)
    try:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                *("journal_mode", "synchronous", "mmap_size", "page_size", "busy_timeout"),
                "secure_delete",
            )
        }
    finally:
        connection.close()

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "mmap_size": 0,
        "page_size": PAGE_BYTES,
        "busy_timeout": 5000,
        "secure_delete": 1,
    }


def test_a_database_that_cannot_be_durable_is_refused() -> None:
    in_memory = sqlite3.connect(":memory:")

    with pytest.raises(StoreRefused, match="journal_mode=memory"):
        make_durable(in_memory)

    in_memory.close()


async def test_a_second_server_is_refused_until_the_first_has_closed(path: Path) -> None:
    first = await SqliteStore.open(path, cells_of_tests())

    with pytest.raises(StoreRefused, match="Another server uses"):
        await SqliteStore.open(path, cells_of_tests())

    await first.close()
    second = await SqliteStore.open(path, cells_of_tests())
    await second.close()


def test_a_killed_server_leaves_its_data_and_no_lock(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"saved\n"
        with pytest.raises(StoreRefused, match="Another server uses"):
            connect(path)
        server.kill()

    open_and_close(path)
    assert outside(path, "SELECT count(*) FROM unresolved WHERE key = 'sale'") == (1,)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_files_are_for_their_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        connection = connect(path)
        modes = {file.name.removeprefix(path.name): mode_of(file) for file in path.parent.iterdir()}
        connection.close()
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("", "-wal", "-shm", ".lock"), 0o600)
    assert mode_of(path.parent) == 0o700


def test_a_database_that_others_could_read_is_closed_to_them(path: Path) -> None:
    open_and_close(path)
    path.chmod(0o644)

    open_and_close(path)

    assert mode_of(path) == 0o600


def test_a_folder_that_others_may_look_into_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o755)

    warnings = open_and_close(path)

    assert f"Run: chmod 700 {path.parent}" in warnings[-1]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("Dear diary, this is long enough to be no database." * 9),
        lambda path: outside(path, "CREATE TABLE diary (entry TEXT)"),
        lambda path: outside(path, "PRAGMA user_version = 1"),
        lambda path: outside(path, "PRAGMA application_id = 77"),
    ],
    ids=["text", "tables", "version", "application"],
)
def test_a_file_of_another_program_is_refused_and_left_as_it_is(
    path: Path, make: Callable[[Path], object]
) -> None:
    path.parent.mkdir()
    make(path)
    path.chmod(0o640)
    before = path.read_bytes()

    with pytest.raises(StoreRefused, match="not a Tallymark database"):
        connect(path)

    assert path.read_bytes() == before
    assert mode_of(path) == 0o640


def test_a_database_that_was_never_sealed_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    outside(path, f"PRAGMA application_id = {UNSEALED_APPLICATION_ID}")
    before = path.read_bytes()

    with pytest.raises(StoreRefused, match="did not seal"):
        connect(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["file/tallymark.sqlite3", "folder"])
async def test_a_path_that_can_be_no_database_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(StoreRefused, match="cannot be used"):
        await SqliteStore.open(tmp_path / name, cells_of_tests())


def damage_first_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:PAGE_BYTES] = b"\xff" * (PAGE_BYTES - 100)
    path.write_bytes(content)


async def test_a_damaged_database_fails_to_open(path: Path) -> None:
    open_and_close(path)
    damage_first_page(path)

    with pytest.raises(StoreFailed, match="malformed"):
        await SqliteStore.open(path, cells_of_tests())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE journal SET payload = '{\"x\":1}' WHERE sequence = 5",
        "UPDATE journal SET chain_hash = 'none' WHERE sequence = 5",
        "UPDATE journal SET chain_hash = 'none' WHERE sequence = 7",
        "DELETE FROM journal WHERE sequence = 3",
    ],
)
async def test_a_journal_whose_end_does_not_fit_together_is_not_served(
    path: Path, damage: str
) -> None:
    store = await SqliteStore.open(path, cells_of_tests())
    await store.save({}, entries_of_commands(7))
    await store.close()
    for trigger in ("journal_keeps_its_entries", "journal_loses_no_entry"):
        outside(path, f"DROP TRIGGER {trigger}")
    outside(path, damage)

    with pytest.raises(StoreRefused, match=r"journal .*Go back|journal .*go back"):
        await SqliteStore.open(path, cells_of_tests())


async def test_only_the_end_of_a_long_journal_is_checked_at_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_journal, "ENTRIES_CHECKED_AT_START", 3)
    store = await SqliteStore.open(path, cells_of_tests())
    await store.save({}, entries_of_commands(7))
    await store.close()
    outside(path, "DROP TRIGGER journal_keeps_its_entries")
    outside(path, "UPDATE journal SET payload = '' WHERE sequence = 4")

    await (await SqliteStore.open(path, cells_of_tests())).close()

    outside(path, "UPDATE journal SET payload = '' WHERE sequence = 6")
    with pytest.raises(StoreRefused, match="entry 6 of the journal"):
        await SqliteStore.open(path, cells_of_tests())


@pytest.mark.parametrize(
    ("version", "is_warned"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)
def test_a_sqlite_that_may_have_the_wal_reset_bug_is_told(
    version: tuple[int, ...], *, is_warned: bool
) -> None:
    assert bool(sqlite_warnings(version)) == is_warned


async def test_warnings_are_logged_and_the_database_is_served(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 50, 2))

    store = await SqliteStore.open(path, cells_of_tests())
    await store.close()

    (warning,) = store.warnings
    assert warning.startswith("SQLite 3.50.2 may have the WAL-reset bug")
    assert (sqlite_database.__name__, logging.WARNING, warning) in caplog.record_tuples
