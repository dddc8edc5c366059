"""Reads binary logs: our own, those of Go and those of Java.

The format of an entry is agreed on, its framing in a file is not. Java's BinaryLogSink and this
program write the length as a varint (writeDelimitedTo), Go's binarylog.NewTempFileSink writes it as
four bytes, big-endian. The first byte tells them apart: in Go's it is 0, because no first entry
reaches 16 MiB, in the others it is not, because no entry is empty.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from google.protobuf.message import DecodeError

from tallymark_load.binary_log.binary_log_pb2 import GrpcLogEntry

__all__ = ["Damage", "LogReader"]

VARINT_BYTES_MAX: Final = 5
"""A length is below 2 GiB, the bound of every message."""

BIG_ENDIAN_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Where a log ends too early, in bytes from its start, and why; what is before is whole."""

    position: int
    why: str

    def __str__(self) -> str:
        """Say it in words."""
        return f"damaged at byte {self.position}: {self.why}; what is before is used"


class LogReader:
    """The entries of a log, once, in the order of the file.

    Iteration ends at the end of the file or where it is damaged; `damage` tells which, afterwards.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; raise OSError when that is not possible."""
        self.damage: Damage | None = None
        self._file: BinaryIO = path.open("rb")
        self._size = os.fstat(self._file.fileno()).st_size
        self._is_big_endian = self._file.read(1) == b"\0"
        self._file.seek(0)

    def __enter__(self) -> Self:
        """Give the reader; it closes the file at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[GrpcLogEntry]:
        """Yield every entry that is whole."""
        while (position := self._file.tell()) < self._size:
            try:
                entry = self._entry()
            except _Unreadable as unreadable:
                self.damage = Damage(position=position, why=str(unreadable))
                return
            yield entry

    def _entry(self) -> GrpcLogEntry:
        length = self._length()
        left = self._size - self._file.tell()
        if length > left:
            message = f"an entry of {length} bytes begins, of which {left} are there"
            raise _Unreadable(message)
        try:
            entry = GrpcLogEntry.FromString(self._file.read(length))
        except DecodeError:
            message = "no entry of a binary log"
            raise _Unreadable(message) from None
        if entry.call_id == 0 and not entry.HasField("timestamp"):
            # Bytes of anything else decode as unknown fields now and then.
            message = "an entry without a call and a time"
            raise _Unreadable(message)
        return entry

    def _length(self) -> int:
        if self._is_big_endian:
            prefix = self._file.read(BIG_ENDIAN_BYTES)
            if len(prefix) < BIG_ENDIAN_BYTES:
                message = "the length of an entry is cut off"
                raise _Unreadable(message)
            return int.from_bytes(prefix, "big")
        length = 0
        for index in range(VARINT_BYTES_MAX):
            byte = self._file.read(1)
            if not byte:
                message = "the length of an entry is cut off"
                raise _Unreadable(message)
            length |= (byte[0] & 0x7F) << (7 * index)
            if byte[0] < 0x80:  # noqa: PLR2004 -- the top bit says that more follows
                return length
        message = "the length of an entry is longer than any"
        raise _Unreadable(message)


class _Unreadable(Exception):
    """There is no entry here; the text says why."""
