"""The SQL of the journal: each call is one statement, whatever the number of entries."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tallymark_server.domain.model.journal import GENESIS, JournalEntry, JournalHead, Record

__all__ = ["JournalBroken", "JournalTable", "check_end"]

ENTRIES_CHECKED_AT_START: Final = 1_000
"""Some 20 ms. `tallymark-admin audit verify` checks all."""

_APPEND = """
    INSERT INTO journal (
        partition, sequence, decided_at, command, caller, process_id, state, payload, chain_hash,
        payload_sha256
    )
    SELECT
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
        json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
        json_extract(value, '$[9]')
    FROM json_each(?)
"""
_READ = """
    SELECT json_group_array(json_array(
        partition, sequence, decided_at, command, caller, process_id, state, payload, chain_hash,
        payload_sha256
    ))
    FROM (SELECT * FROM journal WHERE partition = ? AND sequence > ? ORDER BY sequence LIMIT ?)
"""
_ERASE = """
    UPDATE journal SET payload = '', payload_sha256 = erased.hash
    FROM (
        SELECT json_extract(value, '$[0]') AS sequence, json_extract(value, '$[1]') AS hash
        FROM json_each(?)
    ) AS erased
    WHERE journal.partition = ? AND journal.sequence = erased.sequence
"""
_HEAD = """
    SELECT sequence, chain_hash FROM journal WHERE partition = ? ORDER BY sequence DESC LIMIT 1
"""
_NEXT_PARTITION = "SELECT min(partition) FROM journal WHERE partition > ?"


class JournalBroken(Exception):
    """The end of a journal does not fit together; the message says where."""


def check_end(connection: sqlite3.Connection) -> None:
    """Check the last entries of every journal: what is decided next will be chained to them.

    Raises:
        JournalBroken: one does not follow the one before it.

    """
    table = JournalTable()
    for partition in _partitions(connection):
        try:
            first = table.head(connection, partition).sequence - ENTRIES_CHECKED_AT_START
            entries = table.read(
                connection, partition, after_sequence=first, limit=ENTRIES_CHECKED_AT_START
            )
        except (ValueError, msgspec.DecodeError) as error:
            message = "the end of the journal makes no sense. Go back to the last sound backup"
            raise JournalBroken(message) from error
        head = GENESIS if first <= 0 else entries.pop(0).head
        for entry in entries:
            if head.follow(partition, entry.record) != entry:
                message = (
                    f"entry {entry.sequence} of the journal does not follow the one before it."
                    " Keep a copy of the file, and go back to the last sound backup"
                )
                raise JournalBroken(message)
            head = entry.head


def _partitions(connection: sqlite3.Connection) -> Iterator[int]:
    partition: int | None = -1
    while partition is not None:
        (partition,) = connection.execute(_NEXT_PARTITION, (partition,)).fetchone()
        if partition is not None:
            yield partition


class JournalTable:
    """The table of the journal."""

    def __init__(self) -> None:
        """Prepare the typed decoder."""
        self._to_lines = msgspec.json.Decoder(list[_Line]).decode

    def append(self, connection: sqlite3.Connection, entries: Sequence[JournalEntry]) -> None:
        """Add the entries."""
        lines = msgspec.json.encode([_line(entry) for entry in entries])
        connection.execute(_APPEND, (lines.decode(),))

    def read(
        self, connection: sqlite3.Connection, partition: int, *, after_sequence: int, limit: int
    ) -> list[JournalEntry]:
        """Return up to `limit` entries after a sequence, oldest first."""
        (found,) = connection.execute(_READ, (partition, after_sequence, limit)).fetchone()
        entries = [_entry(line) for line in self._to_lines(found)]
        return sorted(entries, key=lambda entry: entry.sequence)

    def erase(
        self, connection: sqlite3.Connection, partition: int, *, after_sequence: int, limit: int
    ) -> None:
        """Leave only the hashes of the payloads of up to `limit` entries after a sequence."""
        entries = self.read(connection, partition, after_sequence=after_sequence, limit=limit)
        erased = [
            (entry.sequence, entry.record.without_payload().payload_hash.hex())
            for entry in entries
            if entry.record.payload
        ]
        connection.execute(_ERASE, (msgspec.json.encode(erased).decode(), partition))

    def head(self, connection: sqlite3.Connection, partition: int) -> JournalHead:
        """Return the end of the partition's journal, GENESIS if it is empty."""
        found = connection.execute(_HEAD, (partition,)).fetchone()
        if found is None:
            return GENESIS
        sequence, chain_hash = found
        return JournalHead(sequence=sequence, chain_hash=bytes.fromhex(chain_hash))


class _Line(msgspec.Struct, frozen=True, array_like=True):
    """An entry as the table has it: these are its columns."""

    partition: int
    sequence: int
    decided_at: int
    command: str
    caller: str
    process_id: str
    state: int
    payload: str
    chain_hash: str
    payload_sha256: str


def _line(entry: JournalEntry) -> _Line:
    record = entry.record
    return _Line(
        partition=entry.partition,
        sequence=entry.sequence,
        decided_at=record.decided_at,
        command=_checked(record.command),
        caller=_checked(record.caller),
        process_id=_checked(record.process_id),
        state=record.state,
        payload=_checked(record.payload),
        chain_hash=entry.chain_hash.hex(),
        payload_sha256=record.payload_hash.hex(),
    )


def _checked(text: str) -> str:
    # SQLite would cut the text there, and the chain would no longer fit it.
    assert "\0" not in text, "a journal text holds NUL"
    return text


def _entry(line: _Line) -> JournalEntry:
    record = Record(
        decided_at=line.decided_at,
        command=line.command,
        caller=line.caller,
        process_id=line.process_id,
        state=line.state,
        payload=line.payload,
        payload_hash=bytes.fromhex(line.payload_sha256),
    )
    return JournalEntry(
        partition=line.partition,
        sequence=line.sequence,
        record=record,
        chain_hash=bytes.fromhex(line.chain_hash),
    )
