"""The store in one SQLite file, for one server."""

import asyncio
import logging
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Self, TypeVar

import aiosqlite
import msgspec

from tallymark_server.domain.model.journal import JournalEntry, JournalHead
from tallymark_server.domain.state import Key, Row, Rows
from tallymark_server.keys.cells import CellRefused, Cells
from tallymark_server.storage.sqlite_cells import CellWalk, Resealing, check_cells
from tallymark_server.storage.sqlite_database import ExclusiveConnection, StoreRefused, connect
from tallymark_server.storage.sqlite_failures import in_plain_words
from tallymark_server.storage.sqlite_journal import JournalBroken, JournalTable, check_end
from tallymark_server.storage.sqlite_table import RowTable
from tallymark_server.storage.store import RowExists, StoreFailed
from tallymark_server.storage.tables import all_tables

__all__ = ["SqliteStore", "StoreRefused"]

R = TypeVar("R", bound=Row)
T = TypeVar("T")

_log = logging.getLogger(__name__)


class SqliteStore:
    """Rows and journal in one file, behind one connection on a thread of its own.

    Each call goes to that thread once, as a whole: so calls never overlap, a read sees only what
    was committed, and a caller that gives up while waiting cannot leave half a transaction behind.
    The first failure stops the store.

    Rows that are not open are sealed on that thread, each for its own place, and opened on it.
    """

    def __init__(
        self, connection: "_OneHopConnection", cells: Cells, opened: ExclusiveConnection
    ) -> None:
        """Use `open` instead."""
        self.warnings = opened.warnings
        self.commit_seconds = opened.commit_seconds
        """How long commits took, each with its sync to disk."""

        self.failure = ""
        """What the store failed with and what to do; empty as long as it serves."""

        self._connection = connection
        self._cells = cells
        self._tables: dict[type[Row], RowTable[Any]] = {
            row: RowTable(row, cells) for row in all_tables()
        }
        self._journal = JournalTable()
        self._resealing: Resealing | None = None
        self._failure: Exception | None = None
        self._is_closed = False

    @classmethod
    async def open(cls, path: Path, cells: Cells) -> Self:
        """Open or make the database at this path, whose rows these keys seal.

        `warnings` tells what the operator should change.

        Raises:
            StoreRefused: this database cannot be served, and why.
            StoreFailed: the database failed.

        """
        # Opened here and not by aiosqlite, whose thread outlives the loop when opening fails.
        try:
            opened = await asyncio.to_thread(connect, path)
        except OSError as error:
            message = f"{path} cannot be used: {error.strerror}."
            raise StoreRefused(message) from error
        except sqlite3.Error as error:
            message = f"{path} cannot be opened: {in_plain_words(error)}."
            raise StoreFailed(message) from error
        try:
            check_cells(opened, all_tables(), cells)
            check_end(opened)
        except (CellRefused, JournalBroken) as refused:
            opened.close()
            message = f"{path} cannot be read: {refused}."
            raise StoreRefused(message) from refused
        except sqlite3.Error as error:
            opened.close()
            message = f"{path} cannot be read: {in_plain_words(error)}."
            raise StoreFailed(message) from error
        connection = _OneHopConnection(lambda: opened, iter_chunk_size=1)
        await connection
        return cls(connection, cells, opened)

    async def load(self, keys: Iterable[Key[Any]]) -> Rows:
        """Return a row or None for every key, with one statement for each table named.

        Raises:
            StoreFailed: the store failed.

        """
        rows: dict[Key[Any], Row | None] = dict.fromkeys(keys)
        keys_by_table: defaultdict[type[Row], list[Key[Any]]] = defaultdict(list)
        for key in rows:
            keys_by_table[key.table].append(key)

        def load(connection: sqlite3.Connection) -> None:
            for table, wanted in keys_by_table.items():
                rows.update(self._tables[table].load(connection, wanted))

        await self._run(load)
        return rows

    async def save(
        self,
        changes: Mapping[Key[Any], Row | None],
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        """Put the rows, remove those given as None, append the entries, and sync: all or nothing.

        Each table takes one statement for its rows, one for those that must not be there yet, and
        one for its removals, the journal one.

        Raises:
            RowExists: one that must not be there is there; the store goes on.
            StoreFailed: the store failed. Only a restart tells whether the changes are there.

        """
        rows_by_table: defaultdict[type[Row], dict[Key[Any], Row]] = defaultdict(dict)
        new_by_table: defaultdict[type[Row], dict[Key[Any], Row]] = defaultdict(dict)
        removed_by_table: defaultdict[type[Row], list[Key[Any]]] = defaultdict(list)
        for key, row in changes.items():
            if row is None:
                removed_by_table[key.table].append(key)
            elif key in new:
                new_by_table[key.table][key] = row
            else:
                rows_by_table[key.table][key] = row

        def save(connection: sqlite3.Connection) -> None:
            for table, rows in new_by_table.items():
                self._tables[table].add(connection, rows)
            for table, rows in rows_by_table.items():
                self._tables[table].put(connection, rows)
            for table, keys in removed_by_table.items():
                self._tables[table].delete(connection, keys)
            if entries:
                self._journal.append(connection, entries)

        await self._run(lambda connection: _in_transaction(connection, save))

    async def scan(  # noqa: PLR0913 -- the bounds of one range
        self,
        table: type[R],
        partition: int,
        *,
        first: str = "",
        last: str = "\U0010ffff",
        limit: int,
        newest_first: bool = False,
    ) -> list[R]:
        """Return up to `limit` rows with first <= key text < last, in that order or against it.

        Raises:
            StoreFailed: the store failed.

        """
        rows: RowTable[R] = self._tables[table]
        return await self._run(
            lambda connection: rows.scan(
                connection,
                partition,
                first=first,
                last=last,
                limit=limit,
                newest_first=newest_first,
            )
        )

    async def journal(
        self, partition: int, *, after_sequence: int, limit: int
    ) -> list[JournalEntry]:
        """Return up to `limit` entries after a sequence, oldest first. Raises StoreFailed."""
        return await self._run(
            lambda connection: self._journal.read(
                connection, partition, after_sequence=after_sequence, limit=limit
            )
        )

    async def erase_payloads(self, partition: int, *, after_sequence: int, limit: int) -> None:
        """Leave only the hashes of the payloads of up to `limit` entries after a sequence.

        Raises:
            StoreFailed: the store failed.

        """
        await self._run(
            lambda connection: _in_transaction(
                connection,
                lambda connection: self._journal.erase(
                    connection, partition, after_sequence=after_sequence, limit=limit
                ),
            )
        )

    async def journal_head(self, partition: int) -> JournalHead:
        """Return the end of the partition's journal, GENESIS if it is empty. Raises StoreFailed."""
        return await self._run(lambda connection: self._journal.head(connection, partition))

    async def reseal(self, limit: int) -> int:
        """Look at up to `limit` more cells, and seal those anew whose key was replaced.

        Returns:
            How many were looked at; 0 when none is left, and the replaced keys are destroyed.

        Raises:
            CellRefused: none is left, but some do not open. They keep their key.
            StoreFailed: the store failed.
            OSError: a key could not be destroyed.

        """
        resealing = self._resealing or Resealing(all_tables(), self._cells)
        self._resealing = resealing
        seen = await self._run(
            lambda connection: _in_transaction(
                connection, lambda connection: resealing.step(connection, limit)
            )
        )
        if seen == 0:
            self._resealing = None
            if resealing.refused:
                message = f"{resealing.refused} cells do not open and keep their old key"
                raise CellRefused(message)
            await asyncio.to_thread(self._cells.drop_before, resealing.key_id)
        return seen

    async def count_cells(self, limit: int) -> Counter[int]:
        """Return how many cells each key has sealed, after looking at `limit` at a time.

        Raises:
            StoreFailed: the store failed.

        """
        walk, counts = CellWalk(all_tables()), Counter[int]()
        while cells := await self._run(lambda connection: walk.next(connection, limit)):
            counts.update(cell.key_id for cell in cells)
        return counts

    async def trace(self, told: Callable[[str], object] | None) -> None:
        """Tell every statement as it runs, with its values, until None is given. For tests."""
        await self._run(lambda connection: connection.set_trace_callback(told))

    async def close(self) -> None:
        """Finish what was asked before, and let the next server in. Closing twice is harmless."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._connection.close()
        except sqlite3.Error:
            _log.exception("The database did not close properly; the next start recovers it.")

    async def _run(self, work: Callable[[ExclusiveConnection], T]) -> T:
        if self._is_closed:
            message = "the store is closed"
            raise StoreFailed(message)
        return await self._connection.run(lambda connection: self._work(connection, work))

    def _work(self, connection: ExclusiveConnection, work: Callable[[ExclusiveConnection], T]) -> T:
        """Do the work on the connection's thread, where no later work can slip past a failure."""
        if self._failure is not None:
            message = "the database failed; restart the server"
            raise StoreFailed(message) from self._failure
        try:
            return work(connection)
        except CellRefused as refused:
            message = f"the database cannot be read: {refused}"
            raise self._failed(message, refused) from refused
        except (sqlite3.Error, MemoryError, msgspec.DecodeError, ValueError, OSError) as error:
            message = f"the database failed: {in_plain_words(error)}"
            raise self._failed(message, error) from error

    def _failed(self, message: str, error: Exception) -> StoreFailed:
        """Do nothing more from now on."""
        self._failure = error
        self.failure = message
        _log.critical("%s", message)
        return StoreFailed(message)


class _OneHopConnection(aiosqlite.Connection):
    """Runs a whole function on the connection's thread.

    Each of aiosqlite's own methods is a hop to the thread and back, some 40 us. They all go through
    `_execute` with the connection `_conn`; these two are the only private names that are used.
    """

    async def run(self, work: Callable[[ExclusiveConnection], T]) -> T:
        """Return what the function returns, or raise what it raises."""
        return await self._execute(work, self._conn)  # type: ignore[no-any-return, no-untyped-call]  # untyped there


def _in_transaction(connection: ExclusiveConnection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(connection)
        began = perf_counter()
        connection.execute("COMMIT")
        connection.commit_seconds.observe(perf_counter() - began)
    except RowExists:
        connection.execute("ROLLBACK")  # fails the store if it fails, for the store goes on
        raise
    except BaseException:
        # If this fails too, nothing is lost: a transaction without COMMIT is gone after a restart.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.checkpoints.after_commit(connection)
    return done
