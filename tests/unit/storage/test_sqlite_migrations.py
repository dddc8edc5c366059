"""A SQLite database grows with the server, by numbered scripts."""

import sqlite3
from pathlib import Path

import pytest

from tallymark_server.domain.model.processes import Unresolved
from tallymark_server.storage import sqlite_database
from tallymark_server.storage.sqlite import SqliteStore, StoreRefused
from tallymark_server.storage.sqlite_database import connect
from tallymark_server.storage.store import StoreFailed
from tallymark_server.storage.tables import all_tables
from tests.unit.storage.batches import outside, save
from tests.world.keys import cells_of_tests


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tallymark.sqlite3"


def test_a_new_database_has_every_table_and_the_journal(path: Path) -> None:
    connect(path).close()

    connection = sqlite3.connect(path)
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    tables = {name for (name,) in connection.execute(query)}
    connection.close()
    assert tables == {row.table for row in all_tables()} | {"journal"}


def test_a_database_of_a_newer_server_is_refused(path: Path) -> None:
    connect(path).close()
    (newest,) = outside(path, "PRAGMA user_version")
    outside(path, "PRAGMA user_version = 9999")

    refusal = f"version 9999, and this server knows versions up to {newest}"
    with pytest.raises(StoreRefused, match=refusal):
        connect(path)


async def test_a_migration_is_done_once_and_keeps_what_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(path, cells_of_tests())
    await save(store, Unresolved(partition=0, process_id="p"))
    await store.close()
    (newest,) = outside(path, "PRAGMA user_version")
    scripts = {newest: "unused", newest + 1: "CREATE TABLE second (id INTEGER)"}
    monkeypatch.setattr(sqlite_database, "_migrations", lambda: scripts)

    connect(path).close()
    connect(path).close()

    assert outside(path, "PRAGMA user_version") == (newest + 1,)
    assert outside(path, "SELECT count(*) FROM unresolved, (SELECT count(*) FROM second)") == (1,)


async def test_a_migration_that_fails_leaves_the_version_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(path).close()
    (newest,) = outside(path, "PRAGMA user_version")
    script = "CREATE TABLE second (id INTEGER); DROP TABLE journal; DROP TABLE missing;"
    monkeypatch.setattr(sqlite_database, "_migrations", lambda: {newest + 1: script})

    with pytest.raises(StoreFailed, match="missing"):
        await SqliteStore.open(path, cells_of_tests())

    assert outside(path, "PRAGMA user_version") == (newest,)
    assert outside(path, "SELECT count(*) FROM journal") == (0,)


@pytest.mark.parametrize("change", ["UPDATE journal SET payload = '{}'", "DELETE FROM journal"])
def test_the_journal_lets_nothing_be_changed_or_removed(path: Path, change: str) -> None:
    connection = connect(path)
    try:
        connection.execute(
            "INSERT INTO journal VALUES (0, 1, 0, 'Act', 'me', '', 0, '{}', '00', '')"
        )
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(change)
    finally:
        connection.close()
