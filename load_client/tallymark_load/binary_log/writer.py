"""Writes binary logs: entries one after the other, the length of each before it as a varint."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from google.protobuf.proto import serialize_length_prefixed

from tallymark_load.binary_log.binary_log_pb2 import GrpcLogEntry

__all__ = ["LogWriter"]

BUFFER_BYTES: Final = 1 << 20

OWNER_ONLY: Final = 0o600
"""Redacted or not, a recording tells who did what and when."""


class LogWriter:
    """A new file; it must not exist yet, and only its owner may read it."""

    def __init__(self, path: Path) -> None:
        """Create the file; raise FileExistsError rather than write over a recording."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        self._file = os.fdopen(descriptor, "wb", buffering=BUFFER_BYTES)

    def __enter__(self) -> Self:
        """Give the writer; it closes the file at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left, and close the file."""
        self._file.close()

    def write(self, entry: GrpcLogEntry) -> None:
        """Append an entry; it may stay in memory until `flush`."""
        # Any buffered file is good, says its documentation; its types know only one.
        serialize_length_prefixed(entry, self._file)  # type: ignore[arg-type]

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()
