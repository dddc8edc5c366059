"""What the lanes and services ask of a store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.journal import JournalEntry, JournalHead
from tallymark_server.domain.state import Key, Row, Rows

__all__ = ["RowExists", "Store", "StoreFailed", "last_decision"]

R = TypeVar("R", bound=Row)


class StoreFailed(Exception):
    """The store failed. What was being saved may or may not be there: recover by a restart."""


class RowExists(Exception):
    """A row that was to be new has been there before. Nothing was saved."""


class Store(Protocol):
    """Rows by key, and a journal. One lane saves; anybody reads.

    What `save` has returned from survives a power cut.
    """

    async def load(self, keys: Iterable[Key[Any]]) -> Rows:
        """Return a row or None for every key; the number of statements depends on the tables only.

        Raises:
            StoreFailed: the store failed.

        """
        ...

    async def save(
        self,
        changes: Mapping[Key[Any], Row | None],
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        """Put the rows (remove those given as None), append the entries: all or nothing, durably.

        Args:
            changes: the rows.
            entries: what happened, oldest first.
            new: keys of `changes` whose rows must not be there yet.

        Raises:
            RowExists: one of the new ones is there.
            StoreFailed: the store failed.

        """
        ...

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
        """Return up to `limit` rows with first <= key text < last, in the order of the texts."""
        ...

    async def journal(
        self, partition: int, *, after_sequence: int, limit: int
    ) -> list[JournalEntry]:
        """Return up to `limit` entries after a sequence, oldest first."""
        ...

    async def erase_payloads(self, partition: int, *, after_sequence: int, limit: int) -> None:
        """Leave only the hashes of the payloads of up to `limit` entries after a sequence."""
        ...

    async def journal_head(self, partition: int) -> JournalHead:
        """Return the end of the partition's journal; GENESIS when it is empty."""
        ...

    async def reseal(self, limit: int) -> int:
        """Look at up to `limit` more rows, and seal those anew whose key was replaced.

        Returns:
            How many were looked at; 0 when none is left, and the replaced keys are destroyed.

        Raises:
            CellRefused: none is left, but some do not open. They keep their key.
            StoreFailed: the store failed.
            OSError: a key could not be destroyed.

        """
        ...

    async def count_cells(self, limit: int) -> Mapping[int, int]:
        """Return how many rows each key has sealed, after looking at `limit` at a time."""
        ...

    async def close(self) -> None:
        """Finish and release the store. Closing twice is harmless."""
        ...


async def last_decision(store: Store) -> int:
    """Return the time of the newest journal entry, in milliseconds since 1970; 0 without one."""
    head = await store.journal_head(DIRECTORY)
    newest = await store.journal(DIRECTORY, after_sequence=head.sequence - 1, limit=1)
    return newest[0].record.decided_at if newest else 0
