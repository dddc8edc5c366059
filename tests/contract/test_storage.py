"""What every store must do."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallymark_server.domain.model.journal import GENESIS, JournalEntry, Record
from tallymark_server.domain.model.merchants import Merchant, Operator
from tallymark_server.domain.model.processes import Due
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.domain.state import Row
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.store import RowExists, Store, StoreFailed
from tallymark_server.storage.tables import all_tables
from tests.contract.kept_stores import Kept, KeptInMemory, KeptInSqlite
from tests.unit.storage.filled_rows import rows_of
from tests.world.keys import cells_of_tests

# One store serves all examples of a test: what an earlier one left behind may not matter.
over_one_store = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    kept: KeptInMemory | KeptInSqlite = KeptInMemory()
    if request.param == "sqlite":
        path = tmp_path / "data.sqlite3"
        kept = KeptInSqlite(path, await SqliteStore.open(path, cells_of_tests()))
    yield kept
    await kept.store.close()


@pytest.fixture
def store(kept: Kept) -> Store:
    return kept.store


def account(holder_id: str, *, balance: int = 0, partition: int = 1) -> PointsAccount:
    return PointsAccount(
        partition=partition, holder_id=holder_id, programme_id="beans", balance=balance
    )


def due(at: int, *, partition: int = 1) -> Due:
    return Due(partition=partition, due_at=at, process_id="sale")


def entries(count: int, *, partition: int = 1) -> list[JournalEntry]:
    head, made = GENESIS, []
    for number in range(count):
        record = Record(
            decided_at=number,
            command="Resolve",
            caller="till \N{SNOWMAN}",
            process_id="",
            state=3,
            payload='{"text": "quoted \\u0000 \\"é\\""}',
        )
        made.append(head.follow(partition, record))
        head = made[-1].head
    return made


async def put(store: Store, *rows: Row) -> None:
    await store.save({row.key: row for row in rows}, [])


async def test_a_key_without_row_is_none(store: Store) -> None:
    key = account("ann").key

    assert await store.load([key]) == {key: None}


async def test_no_keys_are_no_rows(store: Store) -> None:
    assert await store.load([]) == {}


async def test_a_row_comes_back_until_it_is_replaced_or_removed(store: Store) -> None:
    first, second = account("ann", balance=1), account("ann", balance=2)

    await put(store, first)
    assert await store.load([first.key]) == {first.key: first}

    await put(store, second)
    assert await store.load([first.key]) == {first.key: second}

    await store.save({first.key: None}, [])
    assert await store.load([first.key]) == {first.key: None}


async def test_removing_what_is_not_there_is_harmless(store: Store) -> None:
    await put(store, account("ann"))

    await store.save({account("bob").key: None}, [])

    assert await store.scan(PointsAccount, 1, limit=9) == [account("ann")]


async def test_a_row_that_has_to_be_new_is_saved_if_it_is(store: Store) -> None:
    await put(store, account("ann", balance=1))
    changes = {row.key: row for row in (account("ann", balance=2), account("bob"))}

    await store.save(changes, [], {account("bob").key})

    assert await store.load(changes) == changes


async def test_of_a_save_with_a_row_that_has_to_be_new_and_is_not_nothing_is_kept(
    store: Store,
) -> None:
    first, second = account("ann", balance=1), account("ann", balance=2)
    await put(store, first)
    changes = {row.key: row for row in (account("bob"), second, due(7))}

    with pytest.raises(RowExists):
        await store.save(changes, entries(1), {second.key, account("bob").key})

    expected = {first.key: first, account("bob").key: None, due(7).key: None}
    assert await store.load(changes) == expected
    assert await store.journal_head(1) == GENESIS
    await store.save(changes, entries(1))
    assert await store.load(changes) == changes, "the store goes on"


async def test_one_save_puts_and_removes_in_several_tables_and_partitions(store: Store) -> None:
    kept = [account("ann"), account("ann", partition=2), due(7), due(7, partition=255)]
    removed = [account("bob"), account("bob", partition=2), due(9)]
    await put(store, *removed)

    await store.save({row.key: row for row in kept} | {row.key: None for row in removed}, [])

    found = await store.load(row.key for row in kept + removed)
    assert [row for row in found.values() if row is not None] == kept


async def test_the_same_text_in_other_tables_and_partitions_is_another_key(store: Store) -> None:
    merchant = Merchant(partition=1, merchant_id="x", name="Shop")
    await put(store, merchant)

    found = await store.load(
        [
            Operator(partition=1, operator_id="x").key,
            Merchant(partition=0, merchant_id="x", name="").key,
            merchant.key,
        ]
    )

    assert list(found.values()) == [None, None, merchant]


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.table)
@over_one_store
@given(data=st.data())
async def test_every_row_comes_back_as_it_was(
    kept: Kept, table: type[Row], data: st.DataObject
) -> None:
    rows = {row.key: row for row in data.draw(st.lists(rows_of(table), max_size=4))}

    await kept.store.save(rows, [])

    assert await kept.store.load(rows) == rows


@over_one_store
@given(texts=st.lists(st.text(st.characters(codec="utf-8", max_codepoint=0x10FFFE)), unique=True))
async def test_any_texts_are_different_keys_in_the_order_of_their_characters(
    store: Store, texts: list[str]
) -> None:
    for row in await store.scan(Operator, 1, limit=10_000):
        await store.save({row.key: None}, [])

    await put(store, *(Operator(partition=1, operator_id=text) for text in texts))

    found = [row.operator_id for row in await store.scan(Operator, 1, limit=10_000)]
    assert found == sorted(texts)


@pytest.mark.parametrize(
    "pair", [("a", "a\0"), ("a\0", "a\0b"), ("\0", "\x01"), ("\x01", "\x01\x01"), ('"', "\\")]
)
async def test_characters_that_a_database_may_trip_over_keep_keys_apart(
    store: Store, pair: tuple[str, str]
) -> None:
    present, absent = (Operator(partition=1, operator_id=text) for text in pair)

    await put(store, present)

    assert await store.load([absent.key, present.key]) == {absent.key: None, present.key: present}


async def test_a_scan_takes_the_range_from_first_to_before_last(store: Store) -> None:
    await put(store, *(due(at) for at in (3, 1, 4, 2)), due(2, partition=2), account("ann"))

    found = await store.scan(Due, 1, first=due(2).text, last=due(4).text, limit=9)

    assert [row.due_at for row in found] == [2, 3]


async def test_a_scan_stops_at_its_limit_from_either_end(store: Store) -> None:
    await put(store, *(due(at) for at in range(20)))

    oldest = await store.scan(Due, 1, limit=3)
    newest = await store.scan(Due, 1, limit=3, newest_first=True)

    assert [row.due_at for row in oldest] == [0, 1, 2]
    assert [row.due_at for row in newest] == [19, 18, 17]
    assert await store.scan(Due, 1, limit=0) == []


async def test_a_scan_by_prefix_finds_all_that_begin_so(store: Store) -> None:
    await put(store, *(account(holder) for holder in ("ann", "anna", "bob")))

    found = await store.scan(PointsAccount, 1, first="ann/", last="ann/\U0010ffff", limit=9)

    assert found == [account("ann")]


async def test_the_journal_keeps_entries_and_order(store: Store) -> None:
    made = entries(5)

    await store.save({}, made[:2])
    await store.save({}, made[2:])

    assert await store.journal(1, after_sequence=0, limit=9) == made
    assert await store.journal(1, after_sequence=2, limit=2) == made[2:4]
    assert await store.journal(1, after_sequence=5, limit=9) == []


async def test_payloads_are_erased_and_the_chain_stays(store: Store) -> None:
    made = entries(5)
    await store.save({}, made)

    await store.erase_payloads(1, after_sequence=1, limit=3)
    await store.erase_payloads(1, after_sequence=0, limit=2)
    await store.erase_payloads(2, after_sequence=0, limit=9)

    kept = await store.journal(1, after_sequence=0, limit=9)
    assert [bool(entry.record.payload) for entry in kept] == [False] * 4 + [True]
    head = GENESIS
    for entry, before in zip(kept, made, strict=True):
        assert head.follow(1, entry.record) == entry
        assert entry.chain_hash == before.chain_hash
        assert entry.record.payload_hash in {b"", sha256(before.record.payload.encode()).digest()}
        head = entry.head
    assert await store.journal_head(1) == made[-1].head


async def test_each_partition_has_its_own_journal_with_its_own_end(store: Store) -> None:
    ones, twos = entries(3), entries(2, partition=2)

    await store.save({}, [ones[0], twos[0], *ones[1:], twos[1]])

    assert await store.journal_head(1) == ones[-1].head
    assert await store.journal(2, after_sequence=0, limit=9) == twos
    assert await store.journal_head(3) == GENESIS


async def test_a_thousand_rows_and_entries_go_in_one_save(store: Store) -> None:
    rows = [account(f"holder {number}", balance=number) for number in range(1000)]
    made = entries(1000)

    await store.save({row.key: row for row in rows}, made)

    assert list((await store.load(row.key for row in rows)).values()) == rows
    assert await store.journal(1, after_sequence=0, limit=2000) == made


async def test_saves_and_loads_at_the_same_time_do_not_mix(store: Store) -> None:
    async def save_pair(balance: int) -> None:
        await put(store, account("ann", balance=balance), account("bob", balance=-balance))

    async def sum_of_pair() -> int:
        pair = await store.load([account("ann").key, account("bob").key])
        return sum(row.balance for row in pair.values() if isinstance(row, PointsAccount))

    saves = [save_pair(balance) for balance in range(50)]
    *sums, _ = await asyncio.gather(*(sum_of_pair() for _ in range(50)), asyncio.gather(*saves))

    assert sums == [0] * 50


async def test_everything_saved_is_there_after_a_restart(kept: Kept) -> None:
    made = entries(3)
    await kept.store.save({account("ann").key: account("ann", balance=5)}, made)

    await kept.restart()

    assert await kept.store.scan(PointsAccount, 1, limit=9) == [account("ann", balance=5)]
    assert await kept.store.journal_head(1) == made[-1].head


async def test_a_journal_number_that_is_taken_fails_the_save_as_a_whole(kept: Kept) -> None:
    first, second = entries(2)
    await kept.store.save({account("ann").key: account("ann")}, [first])

    with pytest.raises(StoreFailed):
        await kept.store.save(
            {account("ann").key: None, account("bob").key: account("bob")}, [second, first]
        )

    await kept.restart()
    assert await kept.store.scan(PointsAccount, 1, limit=9) == [account("ann")]
    assert await kept.store.journal(1, after_sequence=0, limit=9) == [first]


async def assert_serves_nothing(store: Store) -> None:
    for call in (
        store.load([account("ann").key]),
        store.save({account("bob").key: account("bob")}, []),
        store.scan(PointsAccount, 1, limit=9),
        store.journal(1, after_sequence=0, limit=9),
        store.journal_head(1),
    ):
        with pytest.raises(StoreFailed):
            await call


async def test_a_store_that_failed_once_serves_nothing_more(kept: Kept) -> None:
    [entry] = entries(1)
    await kept.store.save({}, [entry])
    with pytest.raises(StoreFailed):
        await kept.store.save({}, [entry])

    await assert_serves_nothing(kept.store)

    await kept.restart()
    assert await kept.store.scan(PointsAccount, 1, limit=9) == []


async def test_a_closed_store_serves_nothing_and_may_be_closed_again(store: Store) -> None:
    await store.close()
    await store.close()

    await assert_serves_nothing(store)
