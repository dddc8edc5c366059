"""The write-ahead log is copied in time, and at the start before anybody is told what it holds."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tallymark_server.domain.model.processes import Unresolved
from tallymark_server.storage import sqlite_checkpoints
from tallymark_server.storage.sqlite import SqliteStore, StoreRefused
from tallymark_server.storage.sqlite_checkpoints import PAGES_PER_CHECKPOINT
from tallymark_server.storage.sqlite_database import BUSY_SECONDS_MAX, PAGE_BYTES, connect
from tests.unit.storage.batches import outside, rows_of_commands, save
from tests.unit.storage.statements import statements_of
from tests.world.keys import cells_of_tests

COUNT = "SELECT count(*) FROM unresolved"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tallymark.sqlite3"


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def test_a_log_that_is_copied_again_and_again_stays_as_small_as_it_should(
    path: Path,
) -> None:
    store = await SqliteStore.open(path, cells_of_tests())
    copied, saves = 0, 300
    for number in range(saves):
        async with statements_of(store) as said:
            await save(store, *rows_of_commands(20, name=f"{number % 7} batch {number}"))
        copied += "PRAGMA" in said
    log_bytes = log_of(path).stat().st_size
    await store.close()

    assert log_bytes < 2 * PAGES_PER_CHECKPOINT * PAGE_BYTES
    assert 1 < copied < saves / 20


async def test_somebody_who_reads_along_only_keeps_the_log_from_starting_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "PAGES_PER_CHECKPOINT", 20)
    store = await SqliteStore.open(path, cells_of_tests())
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute(COUNT).fetchone()
    for number in range(20):
        await save(store, *rows_of_commands(30, name=f"batch {number}"))
    reader.close()

    await save(store, *rows_of_commands(30, name="after"))
    await store.close()

    assert outside(path, COUNT) == (630,)


async def test_what_a_killed_server_left_in_the_log_is_in_the_database_before_it_is_served(
    path: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed" / path.name
    killed.parent.mkdir()
    store = await SqliteStore.open(path, cells_of_tests())
    await save(store, Unresolved(partition=0, process_id="sale"))
    for file in (path, log_of(path)):  # as they are when the server is killed
        shutil.copy(file, killed.parent)
    await store.close()

    connection = connect(killed)
    alone = shutil.copy(killed, tmp_path / "alone.sqlite3")
    connection.close()

    assert outside(Path(alone), COUNT) == (1,)


async def test_a_log_that_somebody_keeps_from_being_copied_is_not_served(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallymark_server.storage.sqlite_database.BUSY_SECONDS_MAX", 0.05)
    assert BUSY_SECONDS_MAX > 1
    connect(path).close()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute(COUNT).fetchone()
    outside(path, "INSERT INTO unresolved VALUES (0, 'sale', '{}')")

    with pytest.raises(StoreRefused, match="Another program keeps"):
        connect(path)

    reader.close()
    connect(path).close()
