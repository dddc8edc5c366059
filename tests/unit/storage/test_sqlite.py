"""What the SQLite store does in its own way: few statements, each by keys, and whole saves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallymark_server.domain.model.processes import Due
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_database import connect
from tallymark_server.storage.sqlite_table import RowTable
from tallymark_server.storage.tables import all_tables
from tests.unit.storage.batches import (
    entries_of_commands,
    everything,
    outside,
    rows_of_commands,
    save,
)
from tests.unit.storage.statements import statements_of
from tests.world.keys import cells_of_tests


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, cells_of_tests())
    yield store
    await store.close()


@pytest.mark.parametrize("commands", [1, 10, 400])
async def test_a_batch_takes_as_many_statements_whatever_its_size(
    store: SqliteStore, commands: int
) -> None:
    old, new = rows_of_commands(commands, name="old"), rows_of_commands(commands, name="new")
    await save(store, *old)
    changes = {row.key: row for row in new} | {row.key: None for row in old}

    async with statements_of(store) as loading:
        await store.load(changes)
    async with statements_of(store) as saving:
        await store.save(changes, entries_of_commands(commands))

    assert loading == ["SELECT"] * 3
    if saving[-1] == "PRAGMA":  # the log has grown and is copied
        saving.pop()
    assert saving == ["BEGIN", *["INSERT"] * 3, *["DELETE"] * 3, "INSERT", "COMMIT"]


def test_every_statement_finds_its_rows_by_their_keys(path: Path) -> None:
    connection = connect(path)
    try:
        for table in (RowTable(row, cells_of_tests()) for row in all_tables()):
            plans = [
                " ".join(
                    detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}", given)
                )
                for sql, given in (
                    (table.load_sql, ["[]"]),
                    (table.delete_sql, ["[]"]),
                    (table.scan_sql, [0, "", "x", 1]),
                    (table.scan_newest_first_sql, [0, "", "x", 1]),
                )
            ]
            load, delete, scan, scan_newest_first = plans
            assert "USING PRIMARY KEY (partition=? AND key=?)" in load
            assert "USING PRIMARY KEY (partition=? AND key=?)" in delete
            assert "USING PRIMARY KEY (partition=? AND key>? AND key<?)" in scan
            assert scan_newest_first == scan
            assert not any("TEMP B-TREE" in plan for plan in plans)
    finally:
        connection.close()


async def test_fields_that_a_version_does_not_know_or_has_not_written_are_no_trouble(
    store: SqliteStore, path: Path
) -> None:
    outside(
        path,
        "INSERT INTO due VALUES (0, 'key',"
        """ '{"partition":0,"due_at":5,"process_id":"p","later":{"field":1}}')""",
    )

    assert await store.scan(Due, 0, limit=1) == [Due(partition=0, due_at=5, process_id="p")]


async def test_a_save_whose_caller_gave_up_is_done_as_a_whole(store: SqliteStore) -> None:
    rows = rows_of_commands(50)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await save(store, *rows)

    assert len(await everything(store)) == len(rows)
