"""Raw SQLite: the ceiling of any server that writes to it as durably as this one does.

The writes of scans, recorded from a real server, are written once more on one thread: the same rows
in the same tables, the same bytes, as many in a transaction, the same settings of the file, every
commit synced. No rule is decided, nothing is read, sealed or sent. Rows go in by prepared
statements, one execution for each row: on a thread that need not share the interpreter that takes
some 30 % less than the server's own statements, which take all rows of a table at once.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.contestants import Caller, issue
from bench.crowd import crowd
from bench.load import Script
from bench.raw_sqlite import Statement, write_all
from bench.rounds import Taken
from bench.writes import Batch, batches_of, recording_server

__all__ = ["RawWrites", "Recording", "back_up", "record", "statements_of"]

_PUT: Final = (
    "INSERT INTO {} (partition, key, body) VALUES (?, ?, ?)"
    " ON CONFLICT (partition, key) DO UPDATE SET body = excluded.body"
)
_REMOVE: Final = "DELETE FROM {} WHERE partition = ? AND key = ?"
_APPEND: Final = "INSERT INTO journal VALUES ({})"


class Recording(NamedTuple):
    """A database as it was before some scans, and what they wrote."""

    database: Path
    lines: Sequence[bytes]
    scans: int


async def record(folder: Path, caller: Caller, customers: int) -> Recording:
    """Let a recording server admit everybody once, one by one."""
    notes, before = folder / "notes", folder / "before.sqlite3"
    async with crowd(folder / "recorded", customers, code=recording_server(notes)) as served:
        _, codes = await issue(served, caller)
        await asyncio.to_thread(back_up, folder / "recorded/data/tallymark.sqlite3", before)
        written = notes.stat().st_size
        script = Script(served.gate_address, served.admit(codes), at_once=1)
        await caller.play(served.pid, script)
        lines = notes.read_bytes()[written:].splitlines()
    return Recording(before, lines, customers)


class RawWrites:
    """Writes of a recording in batches of a size, by a process on the core of servers."""

    def __init__(self, recording: Recording, size: int, process: ProcessPoolExecutor) -> None:
        """Prepare the statements."""
        batches = batches_of(recording.lines, recording.scans, size)
        self._name = f"raw SQLite, {size} at once"
        self._database = recording.database
        self._scans = recording.scans
        self._transactions = [list(statements_of(batch)) for batch in batches]
        self._process = process

    async def play(self) -> Mapping[str, Taken]:
        """Write all of it to a fresh copy."""
        seconds, processor = await asyncio.get_running_loop().run_in_executor(
            self._process, write_all, self._database, self._transactions
        )
        taken = Taken(
            per_second=self._scans / seconds,
            processor_microseconds=1e6 * processor / self._scans,
        )
        return {self._name: taken}


def statements_of(batch: Batch) -> Iterator[Statement]:
    """Return what writes a batch, row by row."""
    for sql, rows in batch.rows.items():
        yield _PUT.format(_table(sql)), [(*_key(text), _body(row)) for text, row in rows.items()]
    for sql, given in batch.others.items():
        if _table(sql) == "journal":
            columns = ", ".join("?" * len(given[0]))
            yield _APPEND.format(columns), [tuple(line) for line in given]
        else:
            yield _REMOVE.format(_table(sql)), [_key(text) for text in given]


def _table(sql: str) -> str:
    """Return what stands after INSERT INTO or DELETE FROM."""
    return sql.split(None, 3)[2]


def _key(text: str) -> tuple[int, str]:
    """Return partition and key, which go to the server's statements as one text."""
    return int(text[:3]), text[3:]


def _body(row: object) -> str:
    """Return what the row's column holds: a cell, or JSON."""
    return row if isinstance(row, str) else msgspec.json.encode(row).decode()


def back_up(database: Path, copy: Path) -> None:
    """Copy a database that a server has open."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
