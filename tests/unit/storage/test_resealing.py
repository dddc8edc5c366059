"""Rows are sealed anew after a rotation, whatever comes in between, and then the key is gone."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallymark_server.domain.model.registrations import Bill, PointsAccount
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Row
from tallymark_server.keyring import Keyring
from tallymark_server.keys.cells import CellRefused
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_cells import CellWalk
from tallymark_server.storage.sqlite_database import connect
from tallymark_server.storage.store import StoreFailed
from tallymark_server.storage.tables import all_tables
from tests.unit.storage.batches import everything, outside, save
from tests.unit.storage.statements import statements_of

ROWS = 60

RESEALER = """
import asyncio, pathlib, sys
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore

async def reseal() -> None:
    folder = pathlib.Path(sys.argv[1])
    store = await SqliteStore.open(folder / "data.sqlite3", Keyring.open(folder / "keys").cells)
    while await store.reseal(7):
        print("step", flush=True)
        sys.stdin.readline()

asyncio.run(reseal())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite3"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open(tmp_path / "keys")


@pytest.fixture
async def store(path: Path, keyring: Keyring) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, keyring.cells)
    await save(store, *rows())
    yield store
    await store.close()


def rows() -> list[Row]:
    accounts = [account(number, 0) for number in range(ROWS // 2)]
    bills = [
        Bill(
            partition=number % 2,
            merchant_id="cafe",
            bill_reference=f"B-{number:03d}",
            customer_id="ana",
            login_name="ana",
            amount=Money(currency_code="EUR", minor_units=number),
        )
        for number in range(ROWS // 2)
    ]
    return [*accounts, *bills]


def account(number: int, balance: int) -> PointsAccount:
    return PointsAccount(
        partition=0, holder_id=f"holder {number:03d}", programme_id="beans", balance=balance
    )


async def reseal_all(store: SqliteStore, limit: int = 7) -> int:
    """Seal everything anew and return how many rows were looked at."""
    seen = 0
    while count := await store.reseal(limit):
        assert count <= limit
        seen += count
    return seen


def reseal_and_kill(folder: Path, *, after: int) -> None:
    """Let another process seal anew, and kill it after so many steps."""
    with subprocess.Popen(
        [sys.executable, "-c", RESEALER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as resealer:
        assert resealer.stdin is not None
        assert resealer.stdout is not None
        for step in range(after):
            assert resealer.stdout.readline() == b"step\n", step
            resealer.stdin.write(b"\n" if step < after - 1 else b"")
            resealer.stdin.flush()
        resealer.kill()


def key_files(keyring_folder: Path) -> list[str]:
    return sorted(file.name for file in keyring_folder.glob("cells-*.key"))


async def test_after_a_rotation_every_row_comes_under_the_new_key_and_the_old_one_is_destroyed(
    store: SqliteStore, keyring: Keyring, tmp_path: Path
) -> None:
    keyring.cells.rotate(1)
    assert await store.count_cells(limit=8) == {1: ROWS}

    assert await reseal_all(store) == ROWS

    assert await store.count_cells(limit=8) == {2: ROWS}
    assert key_files(tmp_path / "keys") == ["cells-002.key"]
    assert await store.load([row.key for row in rows()]) == {row.key: row for row in rows()}


async def test_without_a_rotation_everything_stays_as_it_is(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    before = outside(path, "SELECT group_concat(body) FROM bills")

    assert await reseal_all(store) == ROWS

    assert outside(path, "SELECT group_concat(body) FROM bills") == before
    assert key_files(tmp_path / "keys") == ["cells-001.key"]


async def test_rows_saved_meanwhile_are_kept_and_are_under_the_new_key(
    store: SqliteStore, keyring: Keyring
) -> None:
    keyring.cells.rotate(1)
    balances: dict[int, int] = {}

    async def change() -> None:
        for round_ in range(1, 40):
            number = round_ * 7 % ROWS  # some of them new
            balances[number] = round_
            await save(store, account(number, round_))
        await store.save({account(1, 0).key: None}, [])

    _, seen = await asyncio.gather(change(), reseal_all(store, limit=3))

    found = {row.key: row for row in await store.scan(PointsAccount, 0, limit=1000)}
    expected = {account(n, 0).key: account(n, balances.get(n, 0)) for n in range(ROWS // 2)}
    expected |= {account(n, 0).key: account(n, balance) for n, balance in balances.items()}
    del expected[account(1, 0).key]
    assert found == expected
    assert set(await store.count_cells(limit=100)) == {2}
    assert seen > 0


async def test_the_walk_does_not_run_after_rows_that_are_added_at_the_end(
    store: SqliteStore, keyring: Keyring
) -> None:
    keyring.cells.rotate(1)
    steps, added = 0, 100
    while await store.reseal(7):
        steps += 1
        added += 1
        await save(store, account(added, 1))
        assert steps < ROWS, "it ends under load, too"

    assert set(await store.count_cells(limit=100)) == {2}


async def test_a_second_rotation_in_between_loses_nothing(
    store: SqliteStore, keyring: Keyring, tmp_path: Path
) -> None:
    keyring.cells.rotate(1)
    await store.reseal(20)
    keyring.cells.rotate(2)

    await reseal_all(store)
    assert key_files(tmp_path / "keys") == ["cells-002.key", "cells-003.key"]
    assert await store.load([row.key for row in rows()]) == {row.key: row for row in rows()}

    await reseal_all(store)
    assert key_files(tmp_path / "keys") == ["cells-003.key"]
    assert await store.count_cells(limit=100) == {3: ROWS}


async def test_dropping_the_key_of_before_without_a_whole_walk_would_be_noticed(
    store: SqliteStore, keyring: Keyring
) -> None:
    """The planted bug: the keys before the newest one are dropped after a walk for an older one."""
    keyring.cells.rotate(1)
    await store.reseal(20)
    keyring.cells.rotate(2)
    while await store.reseal(20):
        pass
    keyring.cells.drop_before(keyring.cells.current_id)

    with pytest.raises(StoreFailed, match="a key that is not in the folder of keys"):
        await store.load([row.key for row in rows()])


async def test_a_stop_in_between_is_taken_up_by_the_next_start(
    store: SqliteStore, keyring: Keyring, path: Path, tmp_path: Path
) -> None:
    keyring.cells.rotate(1)
    await store.reseal(20)
    await store.close()

    again = await SqliteStore.open(path, Keyring.open(tmp_path / "keys").cells)
    left = await again.count_cells(limit=100)
    await reseal_all(again)

    assert left[1] > 0
    assert left[2] > 0
    assert await again.count_cells(limit=100) == {2: ROWS}
    assert sorted(map(repr, await everything(again))) == sorted(
        repr(row) for row in rows() if row.partition == 0
    )
    assert key_files(tmp_path / "keys") == ["cells-002.key"]
    await again.close()


@pytest.mark.parametrize("steps", [1, 4, 8])
async def test_a_kill_in_between_loses_no_row_and_no_key(
    store: SqliteStore, keyring: Keyring, path: Path, tmp_path: Path, steps: int
) -> None:
    keyring.cells.rotate(1)
    await store.close()
    reseal_and_kill(tmp_path, after=steps)

    again = await SqliteStore.open(path, Keyring.open(tmp_path / "keys").cells)
    counts = await again.count_cells(limit=100)
    found = await again.load([row.key for row in rows()])
    await reseal_all(again)
    await again.close()

    assert counts[1] + counts[2] == ROWS
    assert counts[2] >= 7 * (steps - 1)
    assert found == {row.key: row for row in rows()}
    assert key_files(tmp_path / "keys") == ["cells-002.key"]


async def test_a_row_that_does_not_open_keeps_its_key_and_stops_nobody(
    store: SqliteStore, keyring: Keyring, path: Path, tmp_path: Path
) -> None:
    outside(
        path,
        "UPDATE bills SET body = (SELECT body FROM bills WHERE key = 'cafe/B-002')"
        " WHERE key = 'cafe/B-004'",
    )
    keyring.cells.rotate(1)

    with pytest.raises(CellRefused, match="1 cells do not open and keep their old key"):
        await reseal_all(store)

    assert await store.count_cells(limit=100) == {1: 1, 2: ROWS - 1}
    assert key_files(tmp_path / "keys") == ["cells-001.key", "cells-002.key"]
    assert await store.load([account(1, 0).key]) == {account(1, 0).key: account(1, 0)}


async def test_a_step_is_one_short_transaction(store: SqliteStore, keyring: Keyring) -> None:
    keyring.cells.rotate(1)

    async with statements_of(store) as ran:
        await store.reseal(5)

    assert ran == ["BEGIN", "SELECT", *["UPDATE"] * 5, "COMMIT"]


def test_a_walk_finds_its_place_by_the_key(path: Path) -> None:
    connection = connect(path)
    try:
        for table in all_tables():
            plan = " ".join(
                detail
                for *_, detail in connection.execute(
                    f"EXPLAIN QUERY PLAN {CellWalk.sql(table.table)}", [1, 0, "", 9]
                )
            )
            assert "USING PRIMARY KEY ((partition,key)>(?,?))" in plan
            assert "TEMP B-TREE" not in plan
    finally:
        connection.close()


async def test_a_store_in_memory_has_nothing_to_seal() -> None:
    store = MemoryStore()
    await save(store, *rows())

    assert await store.reseal(9) == 0
    assert await store.count_cells(9) == {}
