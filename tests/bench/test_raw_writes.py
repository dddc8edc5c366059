"""What raw SQLite is made to write is what the server wrote, in whatever batches."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.noting import note_transactions
from bench.raw_sqlite import write
from bench.storage import back_up, statements_of
from bench.writes import batches_of
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_database import ExclusiveConnection, connect
from tests.world.actions import ADMIT, earn
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

SCANS = 3


@pytest.fixture
async def noted_shop(
    monkeypatch: pytest.MonkeyPatch, keyring: Keyring, tmp_path: Path
) -> AsyncIterator[Shop]:
    """Open a shop whose server notes its transactions."""
    monkeypatch.setattr(ExclusiveConnection, "execute", sqlite3.Connection.execute, raising=False)
    note_transactions(str(tmp_path / "notes"))
    store = await SqliteStore.open(tmp_path / "data" / "server.sqlite3", keyring.cells)
    async with world(store, keyring) as served:
        yield await open_shop(served)
    await store.close()


async def test_raw_sqlite_writes_what_the_server_wrote(noted_shop: Shop, tmp_path: Path) -> None:
    served, notes = tmp_path / "data" / "server.sqlite3", tmp_path / "notes"
    codes = [await (await noted_shop.world.add_phone(f"guest-{n}")).issue() for n in range(SCANS)]
    gate = await noted_shop.world.add_terminal("gate-1")
    back_up(served, tmp_path / "before")
    noted = notes.stat().st_size

    await noted_shop.scan(ADMIT, complete_on_instruction=True)
    for code in codes:
        process = await gate.resolve(code, earn(1))
        await gate.complete(process.process_id)

    lines = notes.read_bytes()[noted:].splitlines()
    back_up(served, tmp_path / "after")
    for size in (1, 2, len(lines)):
        back_up(tmp_path / "before", tmp_path / f"raw-{size}")
        with closing(connect(tmp_path / f"raw-{size}")) as connection:
            for batch in batches_of(lines, len(lines), size):
                write(connection, list(statements_of(batch)))
        assert _rows(tmp_path / f"raw-{size}") == _rows(tmp_path / "after")


def _rows(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())
