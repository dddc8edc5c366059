"""A store in dictionaries."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from operator import attrgetter
from typing import Any, Self, TypeVar

import msgspec

from tallymark_server.domain.model.journal import GENESIS, JournalEntry, JournalHead
from tallymark_server.domain.state import Key, Row, Rows
from tallymark_server.storage.store import RowExists, StoreFailed

__all__ = ["MemoryStore"]

R = TypeVar("R", bound=Row)


class MemoryStore:
    """Rows and journal in dictionaries, for tests of the rules and the lanes.

    Not for serving: everything is gone when the process ends, a scan looks at every row, and the
    journal grows without bound. It passes the same suite as the stores that are for serving, but
    seals nothing: there is no file from which anybody could read.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[Key[Any], Row] = {}
        self._entries: dict[int, list[JournalEntry]] = {}
        self._failure = ""

    def restarted(self) -> Self:
        """Return a store with all that was saved here, as a restart finds it. This one ends."""
        restarted = copy(self)
        restarted._failure = ""  # noqa: SLF001 -- a copy of this object
        self._failure = "the store was restarted"
        return restarted

    async def load(self, keys: Iterable[Key[Any]]) -> Rows:
        """Return a row or None for every key."""
        self._check()
        return {key: self._rows.get(key) for key in keys}

    async def save(
        self,
        changes: Mapping[Key[Any], Row | None],
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        """Put the rows, remove those given as None, and append the entries. Raises RowExists."""
        self._check()
        if any(key in self._rows for key in new):
            raise RowExists
        self._check_sequences(entries)
        for key, row in changes.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row
        for entry in entries:
            self._entries.setdefault(entry.partition, []).append(entry)

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
        """Return up to `limit` rows with first <= key text < last."""
        self._check()
        found: list[R] = [
            row  # type: ignore[misc]  # the key's table is the row's class
            for key, row in self._rows.items()
            if key.table is table and key.partition == partition and first <= key.text < last
        ]
        found.sort(key=attrgetter("text"), reverse=newest_first)
        return found[:limit]

    async def journal(
        self, partition: int, *, after_sequence: int, limit: int
    ) -> list[JournalEntry]:
        """Return up to `limit` entries after a sequence, oldest first."""
        self._check()
        entries = self._entries.get(partition, [])
        return [entry for entry in entries if entry.sequence > after_sequence][:limit]

    async def erase_payloads(self, partition: int, *, after_sequence: int, limit: int) -> None:
        """Leave only the hashes of the payloads of up to `limit` entries after a sequence."""
        self._check()
        entries = self._entries.get(partition, [])
        for place, entry in enumerate(entries):
            if after_sequence < entry.sequence <= after_sequence + limit:
                record = entry.record.without_payload()
                entries[place] = msgspec.structs.replace(entry, record=record)

    async def journal_head(self, partition: int) -> JournalHead:
        """Return the end of the partition's journal; GENESIS when it is empty."""
        self._check()
        entries = self._entries.get(partition)
        return entries[-1].head if entries else GENESIS

    async def reseal(self, limit: int) -> int:  # noqa: ARG002 -- as in every store
        """Find nothing to seal."""
        self._check()
        return 0

    async def count_cells(self, limit: int) -> Mapping[int, int]:  # noqa: ARG002 -- the same
        """Return no cells."""
        self._check()
        return {}

    async def close(self) -> None:
        """Serve no longer."""
        self._failure = self._failure or "the store is closed"

    def _check(self) -> None:
        if self._failure:
            raise StoreFailed(self._failure)

    def _check_sequences(self, entries: Sequence[JournalEntry]) -> None:
        ends = {partition: kept[-1].sequence for partition, kept in self._entries.items()}
        for entry in entries:
            if entry.sequence <= ends.get(entry.partition, 0):
                self._failure = "the journal already has an entry with this number"
                raise StoreFailed(self._failure)
            ends[entry.partition] = entry.sequence
