"""What operators did to the server's keys."""

from enum import IntEnum
from typing import ClassVar

from tallymark_server.domain.state import DirectoryRow

__all__ = ["KeyEvent", "KeyKind"]


class KeyKind(IntEnum):
    """What a key of the server is for; numbers as in the contract."""

    SIGNING = 1
    CELLS = 2
    TLS = 3


class KeyEvent(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """An operator had this key replaced, or given up."""

    table: ClassVar[str] = "key_events"

    happened_at: int
    kind: KeyKind
    key_id: int
    operator_id: str
    is_revoked: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """The key as it is named in the journal, for example "SIGNING 3"."""
        return f"{self.kind.name} {self.key_id}"

    @property
    def text(self) -> str:
        """Key text: the time first, then the key."""
        return f"{self.happened_at:013d}/{self.kind}/{self.key_id}"
