"""Gives a server a past: a day of codes and finished scans, and the customers who had them.

One customer registers and collects a point, at a real server. Then the server is stopped, and what
it wrote is written again and again under other names, in the order of the keys and by the store's
own tables: rows sealed each for its place, journal entries chained each to the one before. A server
that is started on it finds what it would find after such a day: of ten codes that a phone showed,
the last one was scanned. Nothing is old enough to be purged.
"""

import asyncio
import signal
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.crowd import FAST_PASSWORDS, WIDE
from bench.past_names import DAY_MILLISECONDS, Names, Size
from bench.past_rows import PastRows, Pattern
from bench.processes import pinned
from tallymark.v1.identification_pb2 import CODE_PURPOSE_POINTS
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.tls import ClientIdentity
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.state import Key, Row
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite_database import connect
from tallymark_server.storage.sqlite_journal import JournalTable
from tallymark_server.storage.sqlite_table import RowTable
from tallymark_server.storage.tables import all_tables
from tests.e2e.served import SERVER, town
from tests.world.actions import earn

__all__ = ["DISK_BYTES_A_CODE", "SERVED", "Past", "fill"]

SERVED: Final = pinned(f"{FAST_PASSWORDS}; {SERVER}")
"""The server that makes and later serves it: on its core, and with passwords that cost nothing."""

DISK_BYTES_A_CODE: Final = 3_000
"""More than it takes, with its share of a scan and of a customer."""

_WHILE_FILLING: Final = (
    "journal_mode = DELETE",  # from WAL, which cannot be left for OFF at once
    "journal_mode = OFF",
    "synchronous = OFF",
    "secure_delete = OFF",
    "cache_size = -262144",
)
"""What is written is thrown away if anything fails, so it need not survive that."""


ROWS_AT_ONCE: Final = 5_000


class Past(NamedTuple):
    """A server's folder with a past in it."""

    folder: Path
    names: Names
    gate: ClientIdentity
    """Of the terminal that scanned."""

    device_key: DevicePrivateKey
    """Of every phone, so that any of them can sign in."""


async def fill(folder: Path, size: Size) -> Past:
    """Make a server's folder with this past in it; the server is not running afterwards."""
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True)
    async with town(folder, code=SERVED, options=WIDE) as made:
        phone, gate = await made.add_phone("guest"), await made.add_terminal("gate-1")
        await made.operator.add_ticket(phone, "T-guest", entries=1_000)
        code = await phone.issue(CODE_PURPOSE_POINTS)
        process = await gate.resolve(code, earn(1), complete_on_instruction=True)
        made.program.send(signal.SIGTERM)
        assert await made.program.ended() == 0, made.program.output
    names = Names(size, process.created_at.ToMilliseconds() - DAY_MILLISECONDS)
    await asyncio.to_thread(_fill, folder / "data", names)
    assert gate.identity is not None, "an enrolled terminal has one"
    return Past(folder, names, gate.identity, phone.device_key)


def _fill(data: Path, names: Names) -> None:
    """Write everything; SQLite works on a thread while the next rows are made."""
    keyring = Keyring.open(data / "keys", make_missing=False)
    with (
        closing(connect(data / "tallymark.sqlite3")) as connection,
        ThreadPoolExecutor(1) as thread,
    ):
        writer = _Writer(connection, keyring)
        rows = PastRows(writer.pattern(), names, keyring)
        written: Future[None] | None = None
        for batch in _batches(rows, names):
            if written is not None:
                written.result()
            written = thread.submit(writer.write, *batch)
        if written is not None:
            written.result()


def _batches(
    rows: PastRows, names: Names
) -> Iterator[tuple[Sequence[Row], Sequence[JournalEntry]]]:
    for first in range(0, names.size.codes, ROWS_AT_ONCE):
        yield rows.of_codes(range(first, min(first + ROWS_AT_ONCE, names.size.codes)))
    others = chain(rows.of_customers(range(names.size.customers)), rows.of_directory())
    while some := list(islice(others, ROWS_AT_ONCE)):
        yield some, []


class _Writer:
    """Reads and writes by the store's own tables."""

    def __init__(self, connection: sqlite3.Connection, keyring: Keyring) -> None:
        for pragma in _WHILE_FILLING:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection = connection
        self._journal = JournalTable()
        self._tables: dict[type[Row], RowTable[Any]] = {
            table: RowTable(table, keyring.cells) for table in all_tables()
        }

    def pattern(self) -> Pattern:
        bounds = {"first": "", "last": "\U0010ffff"}
        rows = [
            row
            for table in self._tables.values()
            for row in table.scan(
                self._connection, DIRECTORY, **bounds, limit=ROWS_AT_ONCE, newest_first=False
            )
        ]
        entries = self._journal.read(
            self._connection, DIRECTORY, after_sequence=0, limit=ROWS_AT_ONCE
        )
        return Pattern(rows, entries)

    def write(self, rows: Sequence[Row], entries: Sequence[JournalEntry]) -> None:
        by_table: defaultdict[type[Row], dict[Key[Any], Row]] = defaultdict(dict)
        for row in rows:
            by_table[type(row)][row.key] = row
        self._connection.execute("BEGIN")
        for table, keyed in by_table.items():
            self._tables[table].put(self._connection, keyed)
        self._journal.append(self._connection, entries)
        self._connection.execute("COMMIT")
