"""What a batch of commands might save, and what is there afterwards."""

import sqlite3
from pathlib import Path

from tallymark_server.domain.model.journal import GENESIS, JournalEntry, Record
from tallymark_server.domain.model.processes import Due, Unresolved
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.domain.state import Row
from tallymark_server.storage.store import Store
from tallymark_server.storage.tables import all_tables

__all__ = ["entries_of_commands", "everything", "outside", "rows_of_commands", "save"]


def rows_of_commands(count: int, *, name: str = "sale") -> list[Row]:
    """Return what some commands might change: rows of three tables."""
    ids = [f"{name} {number}" for number in range(count)]
    accounts = [PointsAccount(partition=0, holder_id=each, programme_id="beans") for each in ids]
    dues = [Due(partition=0, due_at=1, process_id=each) for each in ids]
    return [*accounts, *dues, *(Unresolved(partition=0, process_id=each) for each in ids)]


def entries_of_commands(count: int) -> list[JournalEntry]:
    """Return the journal of some commands, from its beginning."""
    head, entries = GENESIS, []
    for number in range(count):
        record = Record(
            decided_at=number, command="c", caller="t", process_id="p", state=1, payload="{}"
        )
        entries.append(head.follow(0, record))
        head = entries[-1].head
    return entries


async def save(store: Store, *rows: Row) -> None:
    """Put the rows."""
    await store.save({row.key: row for row in rows}, [])


async def everything(store: Store) -> list[Row]:
    """Return all rows."""
    return [row for table in all_tables() for row in await store.scan(table, 0, limit=10_000)]


def outside(path: Path, sql: str) -> tuple[int, ...]:
    """Do to a database what no other program should, and return the first row."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(sql).fetchone() or ()
    finally:
        connection.close()
