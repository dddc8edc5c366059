"""Reads a backup from the disk and checks it: its pages, and the chain of its journal.

python -m tallymark_server.storage.backup_check BACKUP
"""

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, Self

import msgspec

from tallymark_server.domain.model.journal import GENESIS, JournalEntry, JournalHead
from tallymark_server.storage.sqlite_journal import JournalTable

__all__ = ["BackupFacts", "BackupRefused", "check_backup"]

ENTRIES_A_STEP: Final = 2_000

NICENESS: Final = 10
"""Serving comes first: the check of 200 MB takes some 10 s on a busy machine of two cores."""


class BackupRefused(Exception):
    """The file is no good backup; the message says why, in words that end without a full stop."""


class BackupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a checked backup holds. The journal is that of the first partition."""

    path: str
    size_bytes: int
    sequence: int
    chain_hash: bytes
    decided_at: int
    already_there: bool = False

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what the command has printed."""
        return msgspec.json.decode(text, type=cls)


def check_backup(path: Path) -> BackupFacts:
    """Check the backup.

    Raises:
        BackupRefused: it is damaged, or its journal was changed.
        OSError: it cannot be read.

    """
    size_bytes = path.stat().st_size
    try:
        source = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(source, uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                message = f"{path.name} is damaged: {found}"
                raise BackupRefused(message)
            partitions = connection.execute("SELECT DISTINCT partition FROM journal").fetchall()
            ends = [_verified_end(connection, partition) for (partition,) in partitions]
    except sqlite3.Error as error:
        message = f"{path.name} cannot be read: {error}"
        raise BackupRefused(message) from error
    head, decided_at = ends[0] if ends else (GENESIS, 0)
    return BackupFacts(
        path=str(path.absolute()),
        size_bytes=size_bytes,
        sequence=head.sequence,
        chain_hash=head.chain_hash,
        decided_at=decided_at,
    )


def _verified_end(connection: sqlite3.Connection, partition: int) -> tuple[JournalHead, int]:
    """Follow the chain of a partition's journal; return its end, and when that was decided."""
    head, decided_at = GENESIS, 0
    for entry in _entries(connection, partition):
        follower = head.follow(partition, entry.record)
        if follower != entry:
            message = f"entry {follower.sequence} of the journal is not the one that was written"
            raise BackupRefused(message)
        head, decided_at = entry.head, entry.record.decided_at
    return head, decided_at


def _entries(connection: sqlite3.Connection, partition: int) -> Iterator[JournalEntry]:
    journal, sequence = JournalTable(), 0
    while entries := journal.read(
        connection, partition, after_sequence=sequence, limit=ENTRIES_A_STEP
    ):
        yield from entries
        sequence = entries[-1].sequence


def _main() -> None:
    (name,) = sys.argv[1:]
    os.nice(NICENESS)
    try:
        facts = check_backup(Path(name))
    except (BackupRefused, OSError) as error:
        sys.exit(json.dumps({"why": str(error)}))
    sys.stdout.write(msgspec.json.encode(facts).decode())


if __name__ == "__main__":
    _main()
