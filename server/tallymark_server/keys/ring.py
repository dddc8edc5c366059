"""What rings of keys have in common, whatever their keys are for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["KeyFacts", "KeyNotFound", "KeyRing", "NoNumberFree"]


class KeyNotFound(LookupError):
    """The ring has no key with this number."""


class NoNumberFree(Exception):
    """Every number has a key that is still good; wait until one of them has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFacts:
    """What may be told of a key. Times are in milliseconds since 1970."""

    key_id: int
    is_in_use: bool
    made_at: int
    """Time since which it is used; 0: since the beginning."""

    ends_at: int = 0
    """Time from which it is accepted no more; 0: no end is planned."""


class KeyRing(Protocol):
    """Keys of one kind, of which one is in use."""

    def facts(self) -> Sequence[KeyFacts]:
        """Return what may be told of the keys, by their numbers."""
        ...

    def rotate(self, now: int) -> object:
        """Make the next key, durably, and use it from now on.

        Raises:
            NoNumberFree: as it says.
            OSError: the key could not be written; the ring is as it was.

        """
        ...
