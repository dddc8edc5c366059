"""What a decision may read and write: rows by key, seen through a draft that remembers the changes.

A decision is a pure function of the rows it is given. It asks a `Draft` for rows and puts changed
ones back. A row that was not loaded is not the same as a row that does not exist: asking for it
raises `Need`, the lane loads it and decides again from the start. So no list of "rows this command
will touch" can ever be out of step with the rules.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.value import Value

__all__ = ["CustomerRow", "DirectoryRow", "Draft", "Key", "Need", "Row", "Rows"]

R = TypeVar("R", bound="Row")


class Key(Value, Generic[R], frozen=True):
    """Place of a row: its table (a row class), its partition (0 to 255), and its text in both."""

    table: type[R]
    partition: int
    text: str


class Row(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A stored fact. Each subclass is one table, and its `key` says where the row lives."""

    table: ClassVar[str]
    key_fields: ClassVar[tuple[str, ...]]
    is_open: ClassVar[bool] = False
    """Whether everybody with a copy of the database may read the row; else a store seals it.

    The key is never sealed, so it holds ids, hashes and references only, also in a sealed row.
    """

    partition: int

    @property
    def key(self) -> Key[Self]:
        """Place of this row."""
        return Key(type(self), self.partition, self.text)

    @property
    def text(self) -> str:
        """Text of the key within table and partition."""
        first, *others = [getattr(self, field) for field in self.key_fields]
        return "/".join([first, *others]) if others else first


class DirectoryRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A row that belongs to no customer: it lives in the directory's partition."""

    @classmethod
    def key_of(cls, *texts: str) -> Key[Self]:
        """Return the key of the row with these key fields."""
        return Key(cls, DIRECTORY, "/".join(texts))


class CustomerRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A row of a customer, in that customer's partition."""

    @classmethod
    def key_of(cls, partition: int, *texts: str) -> Key[Self]:
        """Return the key of the row with these key fields."""
        return Key(cls, partition, "/".join(texts))


Rows = Mapping[Key[Any], Row | None]
"""Loaded rows; None stands for a row that is known not to exist."""


class Need(Exception):
    """A decision needs these rows before it can go on."""

    def __init__(self, keys: Iterable[Key[Any]]) -> None:
        """Take the keys that are not loaded."""
        super().__init__()
        self.keys = tuple(keys)


class Draft:
    """Rows under change.

    A draft over a draft can be dropped, which undoes everything put into it. The one below must not
    change meanwhile.
    """

    def __init__(self, base: "Rows | Draft") -> None:
        """Look through to `base` wherever nothing was changed here."""
        self._rows: Rows
        self._changed: dict[Key[Any], Row | None]
        if isinstance(base, Draft):
            self._rows, self._changed = base._rows, dict(base._changed)  # noqa: SLF001 -- its own kind
        else:
            self._rows, self._changed = base, {}

    def fetch(self, *keys: Key[Any]) -> None:
        """Make sure that all keys are loaded.

        Raises:
            Need: some are not; it names all of them at once.

        """
        changed, rows = self._changed, self._rows
        missing = [key for key in keys if key not in changed and key not in rows]
        if missing:
            raise Need(missing)

    def get(self, key: Key[R]) -> R | None:
        """Return the row as it stands in this draft, or None.

        Raises:
            Need: the row is not loaded.

        """
        if key in self._changed:
            return self._changed[key]  # type: ignore[return-value]  # a row of the key's table
        try:
            return self._rows[key]  # type: ignore[return-value]  # a row of the key's table
        except KeyError:
            raise Need([key]) from None

    def put(self, row: Row) -> None:
        """Add the row or replace the one with its key."""
        self._changed[row.key] = row

    def delete(self, key: Key[Any]) -> None:
        """Remove the row with this key."""
        self._changed[key] = None

    def absorb(self, other: "Draft") -> None:
        """Take over the changes of a draft that was made over this one."""
        self._changed.update(other.changes())

    def changes(self) -> Iterator[tuple[Key[Any], Row | None]]:
        """Yield every changed key with its new row, None for a removed one."""
        yield from self._changed.items()
