"""The journal as a file: one entry per line, each as the contract's own JSON of JournalEntry.

Such a file needs no server to be checked: tallymark-verify does it, and docs/signatures.md tells
others how.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tallymark_protocol.journal_chain import ChainedEntry, chain_hash
from tallymark_protocol.journal_messages import NotAnEntry, entry_of

__all__ = ["PARTITION", "JournalFile", "WrongFile"]

PARTITION: Final = 0
"""Of the journal that a server lists."""

_OWNER_ONLY: Final = 0o600

_BEGINNING: Final = b'{"sequence":'
"""Of every line: it is the first field, and never zero."""


class WrongFile(Exception):
    """The file cannot be gone on with. The message says why and what to do."""


class JournalFile:
    """A file that grows at its end. A last line that was cut off is taken away."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; it is readable by its owner alone.

        Raises:
            WrongFile: it holds something else than entries.
            OSError: it cannot be read or written.

        """
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY), "r+b")
        try:
            self._last = self._find_last()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put everything on the disk and close the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    @property
    def last_sequence(self) -> int:
        """Number of the last entry; 0 when there is none."""
        return self._last.sequence if self._last else 0

    def append(self, lines: Sequence[bytes]) -> None:
        """Write the entries of a page, in JSON without line breaks.

        What the file held before is not checked again, but only what follows it may be added: a
        file of two histories would be evidence of neither.

        Raises:
            WrongFile: the first entry does not follow the last one in the file.

        """
        if self._last is not None and not _follows(self._last, entry_of(lines[0])):
            message = (
                f"What the server lists does not go on where {self._path} ends. Either the file is"
                f" of another server, or the journal was changed: look with `tallymark-admin audit"
                f" verify`, here and with --journal {self._path}. The file is left as it was."
            )
            raise WrongFile(message)
        for line in lines:
            self._file.write(line + b"\n")
        self._last = entry_of(lines[-1])

    def _find_last(self) -> ChainedEntry | None:
        """Return the last whole entry, with the file's end right behind it."""
        last, end = b"", 0
        for line in self._file:
            if not line.startswith(_BEGINNING[: len(line)]):
                message = f"{self._path} holds something else than a journal. Name another file."
                raise WrongFile(message)
            if line.endswith(b"\n"):
                last, end = line, end + len(line)
        try:
            entry = entry_of(last) if last else None
        except NotAnEntry as error:
            message = f"The last line of {self._path} is damaged. Name another file."
            raise WrongFile(message) from error
        self._file.seek(end)
        self._file.truncate()
        return entry


def _follows(before: ChainedEntry, entry: ChainedEntry) -> bool:
    return entry.chain_hash == chain_hash(
        before.chain_hash,
        partition=PARTITION,
        sequence=before.sequence + 1,
        decided_at=entry.decided_at,
        command=entry.command,
        caller=entry.caller,
        process_id=entry.process_id,
        state=entry.state,
        payload=entry.payload,
        payload_hash=entry.payload_hash,
    )
