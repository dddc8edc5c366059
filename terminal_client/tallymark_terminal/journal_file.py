"""The database file that sales and checkpoints are written down in, with a real fsync each time."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from tallymark_terminal.private_files import HomeUnusable, make_private_file

__all__ = ["JournalFile"]

_BUSY_WAIT_SECONDS: Final = 5.0

# Each step leads from the version with its place in the list to the next one.
_STEPS: Final = (
    (
        """
        CREATE TABLE sales (
            request_id, started_at, stage, asked, set_points, is_held, completes_by_itself,
            code_partition, code_hash, code_expires_at, telephone_number, process_id, state,
            update_request_id, update_version, complete_request_id, reverse_request_id,
            reverse_note, outcome, ended_at, PRIMARY KEY (request_id)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX sales_by_code ON sales (code_hash)",
        "CREATE INDEX sales_by_process ON sales (process_id)",
    ),
    (
        "ALTER TABLE sales ADD COLUMN checkpoint",
        """
        CREATE TABLE checkpoints (
            partition, day, sequence, checkpoint, heard_at, PRIMARY KEY (partition, day)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE signed_checkpoints (
            number INTEGER PRIMARY KEY, partition, sequence, chain_hash, signed_at, signature,
            audit_key
        )
        """,
    ),
    (
        "ALTER TABLE sales ADD COLUMN sealed_record",
        "CREATE TABLE reports (recovery_id, PRIMARY KEY (recovery_id)) WITHOUT ROWID",
        "CREATE TABLE witness (number INTEGER PRIMARY KEY, witness)",
    ),
)

_Result = TypeVar("_Result")


class JournalFile:
    """One SQLite file; every statement that changes it returns when the disk has it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, and bring it up to date; raises HomeUnusable."""
        make_private_file(path)
        self._one_at_a_time = asyncio.Lock()
        self._database = sqlite3.connect(
            path, timeout=_BUSY_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # What SQLite says of a damaged schema has the damaged bytes in it.
            self._database.close()
            message = (
                f"the journal {path} cannot be used ({error}); move it away to begin a new one, "
                "and have the operator settle the sales that were open in it"
            )
            raise HomeUnusable(message) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    async def change(self, statement: str, *values: object) -> None:
        """Run a statement that changes something."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self._database.execute, statement, values)

    async def read(
        self, make: Callable[..., _Result], query: str, *values: object
    ) -> list[_Result]:
        """Return what `make` makes of the columns of each row that a query finds."""
        async with self._one_at_a_time:
            rows = await asyncio.to_thread(lambda: self._database.execute(query, values).fetchall())
        return [make(*row) for row in rows]

    def _prepare(self, path: Path) -> None:
        # One writer and few rows: a rollback journal with a full sync is the simplest that is safe.
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute("PRAGMA synchronous = FULL")
        # A telephone number that is no longer needed must not stay in the file's free pages.
        self._database.execute("PRAGMA secure_delete = ON")
        version = self._version()
        if version > len(_STEPS):
            message = f"the journal {path} was made by a newer version; use that one"
            raise HomeUnusable(message)
        if version < len(_STEPS):
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        # Read again: another process may have been faster.
        for step in _STEPS[self._version() :]:
            for statement in step:
                self._database.execute(statement)
        self._database.execute(f"PRAGMA user_version = {len(_STEPS)}")
        self._database.execute("COMMIT")

    def _version(self) -> int:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        return int(version)
