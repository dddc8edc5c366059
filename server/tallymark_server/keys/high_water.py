"""How far the database had come, written down outside of it: beside the keys.

    keys/mark    the last start of a server, and where the journal of each partition durably ended

A database that was restored or cloned has another start, a shorter journal or another one than the
mark says. The mark follows the journal and never leads it, so neither a kill nor a power cut looks
like a restore. While a server starts there are two marks, the old and the new one, because the
database takes over the new start in between.
"""

import threading
from collections.abc import Mapping
from typing import Final

import msgspec

from tallymark_server.domain.model.journal import JournalHead
from tallymark_server.keys.folder import KeyFolder

__all__ = ["HighWater", "Mark", "Shown"]

_FILE: Final = "mark"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A start of a server, and the heads of its journals by partition."""

    start_id: str
    heads: Mapping[int, JournalHead]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a client proved that the server had told it, and the database does not have."""

    epoch: int
    sequence: int


class _Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    marks: tuple[Mark, ...] = ()
    shown: Shown | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Content)


class HighWater:
    """The mark of one folder of keys; every change is durable when it returns."""

    def __init__(self, folder: KeyFolder) -> None:
        """Read the mark, or make an empty one.

        Raises:
            KeysRefused: it was here once and is lost, or cannot be read.

        """
        self._folder = folder
        made = folder.read_or_make(_FILE, lambda: _ENCODER.encode(_Content()))
        self._content = _DECODER.decode(made)
        self._changing = threading.Lock()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The last mark, two of them after a start that did not end; none at the first start."""
        return self._content.marks

    @property
    def shown(self) -> Shown | None:
        """What a client has shown since the last start, if it proved that something is lost."""
        return self._content.shown

    def announce(self, mark: Mark) -> None:
        """Add the mark of a start, before the database takes it over."""
        with self._changing:
            kept = self._content.marks[:1]
            self._write(msgspec.structs.replace(self._content, marks=(*kept, mark)))

    def replace(self, mark: Mark) -> None:
        """Leave this mark alone; the database has its start."""
        with self._changing:
            self._write(_Content(marks=(mark,)))

    def advance(self, heads: Mapping[int, JournalHead]) -> None:
        """Raise the mark to where the journals durably end; it never goes back."""
        with self._changing:
            (mark,) = self._content.marks
            ends = [(mark.heads[partition], head) for partition, head in heads.items()]
            if any(head.sequence < marked.sequence for marked, head in ends):
                message = "the journal is shorter than it was"
                raise ValueError(message)
            if heads != mark.heads:
                marks = (Mark(start_id=mark.start_id, heads=heads),)
                self._write(msgspec.structs.replace(self._content, marks=marks))

    def keep_shown(self, shown: Shown) -> None:
        """Write down what a client has shown, for the next start."""
        with self._changing:
            self._write(msgspec.structs.replace(self._content, shown=shown))

    def _write(self, content: _Content) -> None:
        self._folder.write(_FILE, _ENCODER.encode(content))
        self._content = content
