"""How far old rows were removed."""

from typing import ClassVar

from tallymark_server.domain.state import Key, Row

__all__ = ["PurgeMark"]


class PurgeMark(Row, frozen=True, kw_only=True, omit_defaults=True):
    """How far the journal was looked through: for requests, and to erase what entries tell."""

    table: ClassVar[str] = "purge_marks"
    is_open: ClassVar[bool] = True  # numbers

    sequence: int = 0
    """Of the last entry whose requests are removed, if they may be."""

    erased_sequence: int = 0
    """Of the last entry whose payload is erased."""

    @property
    def text(self) -> str:
        """Key text: there is one row in each partition."""
        return "newest"

    @staticmethod
    def key_of(partition: int) -> "Key[PurgeMark]":
        """Return the key of the only row."""
        return Key(PurgeMark, partition, "newest")
