"""How far old rows were removed."""

from typing import ClassVar

from tallymark_server.domain.state import Key, Row

__all__ = ["PurgeMark"]


class PurgeMark(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The journal's entry up to which the requests that it names were looked through."""

    table: ClassVar[str] = "purge_marks"
    is_open: ClassVar[bool] = True  # a number

    sequence: int = 0

    @property
    def text(self) -> str:
        """Key text: there is one row in each partition."""
        return "newest"

    @staticmethod
    def key_of(partition: int) -> "Key[PurgeMark]":
        """Return the key of the only row."""
        return Key(PurgeMark, partition, "newest")
