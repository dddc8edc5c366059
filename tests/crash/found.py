"""What a crash left of a database: read by the stock library, from a copy, without any server."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tallymark_protocol.journal_chain import ChainedEntry, check_journal
from tallymark_server.storage.tables import all_tables

__all__ = ["Found", "Journalled", "examine", "opened", "read_database", "scratch"]

_Rows = Mapping[tuple[int, str], str]

_JOURNAL: Final = """
    SELECT sequence, decided_at, command, caller, process_id, state, payload, chain_hash
    FROM journal WHERE partition = 0 ORDER BY sequence
"""


class Journalled(NamedTuple):
    """Of a journal entry, what tells whose doing it was."""

    command: str
    caller: str
    payload: str


class Found(NamedTuple):
    """Everything in a database, as it is stored: an unchanged row has an unchanged body."""

    tables: Mapping[str, _Rows]
    journal: Sequence[Journalled]
    faults: Sequence[str]
    """What SQLite's own check and the journal's chain complain about."""

    def changed_since(self, before: "Found") -> set[str]:
        """Return the tables that are not as they were."""
        return {name for name, rows in self.tables.items() if rows != before.tables[name]}

    @property
    def request_ids(self) -> set[str]:
        """The requests that are remembered."""
        return {key.partition("/")[0] for _, key in self.tables["requests"]}


def examine(files: Iterable[Path]) -> Found:
    """Read a copy of the files, so that those stay as the crash left them."""
    kept = {str(file): file.read_bytes() for file in files if file.exists()}
    with scratch() as folder, opened(kept, folder) as connection:
        return read_database(connection)


@contextmanager
def opened(files: Mapping[str, bytes], folder: Path) -> Iterator[sqlite3.Connection]:
    """Write a database and its log into a folder, and let SQLite recover it, only to read."""
    for old in folder.iterdir():
        old.unlink()
    for path, content in files.items():
        (folder / Path(path).name).write_bytes(content)
    database = folder / "tallymark.sqlite3"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a new folder, in memory where there is such a file system."""
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def read_database(connection: sqlite3.Connection) -> Found:
    """Check a database and read it."""
    faults = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
    tables = {
        row.table: {
            (partition, key): body
            for partition, key, body in connection.execute(f"SELECT * FROM {row.table}")  # noqa: S608 -- our own names
        }
        for row in all_tables()
    }
    lines = [
        ChainedEntry(
            sequence=sequence,
            decided_at=decided_at,
            command=command,
            caller=caller,
            process_id=process_id,
            state=state,
            payload=payload,
            chain_hash=bytes.fromhex(chain),
        )
        for sequence, decided_at, command, caller, process_id, state, payload, chain in (
            connection.execute(_JOURNAL)
        )
    ]
    faults += [finding.text for finding in check_journal(lines, ())]
    journal = [Journalled(line.command, line.caller, line.payload) for line in lines]
    return Found(tables, journal, faults)
