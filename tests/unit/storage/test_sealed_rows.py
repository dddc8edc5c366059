"""What a SQLite file tells of people without the keys: nothing, and no row can pass for another."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tallymark_server.domain.model.merchants import Merchant
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.domain.state import Key
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore, StoreRefused
from tallymark_server.storage.store import StoreFailed
from tallymark_server.storage.tables import all_tables
from tests.unit.storage.batches import outside, save
from tests.unit.storage.planted_rows import planted_row, planted_texts
from tests.world.secret_values import forms_of

SEALED = [table for table in all_tables() if not table.is_open]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tallymark.sqlite3"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open(tmp_path / "keys")


@pytest.fixture
async def store(path: Path, keyring: Keyring) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, keyring.cells)
    yield store
    await store.close()


def account(holder_id: str, balance: int) -> PointsAccount:
    return PointsAccount(partition=0, holder_id=holder_id, programme_id="beans", balance=balance)


def test_what_tells_of_people_is_sealed() -> None:
    assert {table.table for table in SEALED} == {
        *("customers", "devices", "bills", "tickets", "points_accounts", "points_grants"),
        *("processes", "requests", "terminal_days", "key_events"),
    }


async def test_no_text_of_a_sealed_row_stands_in_any_file_in_any_form(
    store: SqliteStore, path: Path
) -> None:
    rows = [planted_row(table) for table in SEALED]
    texts = set().union(*map(planted_texts, rows))
    public = Merchant(partition=0, merchant_id="cafe", name="planted-public-name")

    await save(store, public, *rows)
    await save(store, *rows)  # so that there are replaced ones too
    await store.save({rows[0].key: None}, [])
    copy = path.with_name("copy.sqlite3")
    outside(path, f"VACUUM INTO '{copy}'")
    open_files = bytes_in(path.parent)
    read = await store.load([row.key for row in rows])
    await store.close()

    assert len(texts) > 50
    for content in (open_files, bytes_in(path.parent), copy.read_bytes()):
        assert b"planted-public-name" in content, "the search would find what stands there"
        assert found_in(content, texts) == []
    assert list(read.values()) == [None, *rows[1:]]


async def test_the_search_finds_rows_that_are_not_sealed(
    path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a table is open that should not be."""
    monkeypatch.setattr(PointsAccount, "is_open", True)
    store = await SqliteStore.open(path, keyring.cells)
    row = planted_row(PointsAccount)
    await save(store, row)
    await store.close()

    assert found_in(bytes_in(path.parent), planted_texts(row)) != []


SWAPPED = """
    UPDATE points_accounts SET body = (
        SELECT body FROM points_accounts AS other WHERE other.key != points_accounts.key
    )
"""
MOVED = """
    INSERT INTO bills SELECT partition, key, body FROM points_accounts WHERE key = 'ana/beans'
"""
PLAIN = """
    UPDATE points_accounts SET body = '{"partition":0,"holder_id":"ana","programme_id":"beans"}'
"""
RENUMBERED = "UPDATE points_accounts SET body = '2' || substr(body, 2)"
CUT = "UPDATE points_accounts SET body = substr(body, 1, length(body) - 4)"
QUOTED = """UPDATE points_accounts SET body = body || '"],[0,"' || body"""


@pytest.mark.parametrize(
    ("forgery", "table"),
    [
        (SWAPPED, "points_accounts"),
        (MOVED, "bills"),
        (PLAIN, "points_accounts"),
        (RENUMBERED, "points_accounts"),
        (CUT, "points_accounts"),
        (QUOTED, "points_accounts"),
    ],
    ids=["swapped", "moved", "plain", "renumbered", "cut", "quoted"],
)
@pytest.mark.parametrize("reading", ["load", "scan"])
async def test_a_row_that_was_put_there_by_hand_stops_the_store(
    store: SqliteStore, path: Path, forgery: str, table: str, reading: str
) -> None:
    await save(store, account("ana", 5), account("bob", 7))
    outside(path, forgery)
    rows = next(row for row in all_tables() if row.table == table)

    read: dict[str, Callable[[], Awaitable[object]]] = {
        "load": lambda: store.load([Key(rows, 0, "ana/beans")]),
        "scan": lambda: store.scan(rows, 0, limit=9),
    }

    with pytest.raises(StoreFailed, match=f"a row of table {table} ") as stopped:
        await read[reading]()

    assert "ana" not in str(stopped.value)
    with pytest.raises(StoreFailed):
        await store.load([account("ana", 0).key])


@pytest.mark.parametrize(
    "bug", ["the place is left out", "the row is left out"], ids=lambda bug: bug.replace(" ", "-")
)
async def test_a_swap_would_go_unnoticed_if_cells_were_not_bound_to_their_rows(
    path: Path, keyring: Keyring, bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bugs: what is authenticated along with a body says too little."""
    place: Callable[[str, str], bytes] = {
        "the place is left out": lambda _table, _row_key: b"",
        "the row is left out": lambda table, _row_key: table.encode(),
    }[bug]
    (key,) = keyring.cells._keys.values()  # noqa: SLF001 -- the bug is planted there
    monkeypatch.setattr(key, "place", place)
    store = await SqliteStore.open(path, keyring.cells)
    await save(store, account("ana", 5), account("bob", 7))
    outside(path, SWAPPED)

    ana = account("ana", 0).key
    row = (await store.load([ana]))[ana]
    await store.close()

    assert isinstance(row, PointsAccount)
    assert row.balance == 7


async def test_keys_of_another_database_are_noticed_at_the_start(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    await save(store, account("ana", 5))
    await store.close()

    with pytest.raises(StoreRefused, match="the folder of keys belongs to another database"):
        await SqliteStore.open(path, Keyring.open(tmp_path / "other").cells)


async def test_keys_that_are_too_old_are_noticed_at_the_start(
    store: SqliteStore, path: Path, keyring: Keyring, tmp_path: Path
) -> None:
    (tmp_path / "backup").mkdir(mode=0o700)
    for file in (tmp_path / "keys").iterdir():
        (tmp_path / "backup" / file.name).write_bytes(file.read_bytes())
        (tmp_path / "backup" / file.name).chmod(0o600)
    keyring.cells.rotate(1)
    await save(store, account("ana", 5))
    await store.close()

    with pytest.raises(StoreRefused, match="a key that is not in the folder of keys"):
        await SqliteStore.open(path, Keyring.open(tmp_path / "backup").cells)


async def test_a_removed_row_is_gone_from_the_file(store: SqliteStore, path: Path) -> None:
    row = planted_row(Merchant)
    await save(store, row)
    await store.save({row.key: None}, [])
    await store.close()

    assert found_in(bytes_in(path.parent), {"planted-merchants-name"}) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM merchants").fetchone() == (0,)


def bytes_in(folder: Path) -> bytes:
    """Return the content of the database and of every file beside it."""
    return b"\n".join(
        file.read_bytes() for file in sorted(folder.iterdir()) if "copy" not in file.name
    )


def found_in(content: bytes, texts: set[str]) -> list[tuple[str, str]]:
    """Return which texts stand there, and in which form."""
    return [
        (text, form)
        for text in sorted(texts)
        for form, looked_for in forms_of(text).items()
        if looked_for in content
    ]
