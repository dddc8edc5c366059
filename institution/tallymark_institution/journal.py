"""The simulator's memory on disk: one JSON object per line, each line synced before it is told of.

The first line is the key that tokens are made with; every other one is an authorisation as it was
after a change, and the last line about an id counts. A line that a crash cut short was never told
of, and is dropped.
"""

import asyncio
import fcntl
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import msgspec

from tallymark_institution.authorisation import Authorisation

__all__ = ["Journal", "JournalUnusable"]


class JournalUnusable(Exception):
    """The journal file cannot be used; the message says why and what to do."""


class _TokenKey(msgspec.Struct, frozen=True, kw_only=True, tag="token_key"):
    key: bytes


class Journal:
    """A journal file that is open and locked, with what was read from it."""

    def __init__(
        self, descriptor: int, *, token_key: bytes, authorisations: list[Authorisation]
    ) -> None:
        """Take an open file; use `open` instead."""
        self.token_key = token_key
        self.authorisations = authorisations
        self._descriptor = descriptor
        # One thread keeps the order, and finishes a line even if the caller has gone.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._last: Future[None] | None = None
        self._failure: OSError | None = None

    @classmethod
    def open(cls, path: Path, *, new_token_key: bytes) -> Self:
        """Open or make the file. Blocks: for use before serving. Raises JournalUnusable."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{path} cannot be opened: {error.strerror}. Name a file that may be written."
            raise JournalUnusable(message) from error
        try:
            token_key, authorisations = _recover(descriptor, path, new_token_key=new_token_key)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, token_key=token_key, authorisations=authorisations)

    def append(self, authorisation: Authorisation) -> None:
        """Begin to write a changed authorisation; does not wait."""
        self._last = self._writer.submit(self._write, msgspec.json.encode(authorisation))

    async def flushed(self) -> None:
        """Return when everything appended so far is on disk. Raises OSError."""
        if self._last is not None:
            await asyncio.shield(asyncio.wrap_future(self._last))

    def close(self) -> None:
        """Write what is left and let go of the file. Blocks."""
        self._writer.shutdown()
        os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        """Write and sync a line; after a failure nothing more is written, or a line would lack."""
        if self._failure is not None:
            raise self._failure
        try:
            _append_line(self._descriptor, line)
        except OSError as error:
            self._failure = error
            raise


def _recover(
    descriptor: int, path: Path, *, new_token_key: bytes
) -> tuple[bytes, list[Authorisation]]:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = f"{path} is in use by another simulator. Stop that one, or name another file."
        raise JournalUnusable(message) from error
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read()
    if not content:
        _append_line(descriptor, msgspec.json.encode(_TokenKey(key=new_token_key)))
        return new_token_key, []
    complete, _, cut_short = content.rpartition(b"\n")
    token_key, authorisations = _parse(complete, path)
    # Only now, when it is known to be a journal, is anything removed from it.
    os.ftruncate(descriptor, len(content) - len(cut_short))
    return token_key, authorisations


def _parse(content: bytes, path: Path) -> tuple[bytes, list[Authorisation]]:
    decoder = msgspec.json.Decoder(_TokenKey | Authorisation)
    try:
        first, *rest = [decoder.decode(line) for line in content.split(b"\n")]
    except msgspec.DecodeError as error:
        message = f"{path} is not a journal of this simulator. Name another file, or remove it."
        raise JournalUnusable(message) from error
    if not isinstance(first, _TokenKey):
        message = f"{path} has lost its first line. Name another file, or remove it."
        raise JournalUnusable(message)
    return first.key, [line for line in rest if isinstance(line, Authorisation)]


def _append_line(descriptor: int, line: bytes) -> None:
    unwritten = line + b"\n"
    while unwritten:
        unwritten = unwritten[os.write(descriptor, unwritten) :]
    os.fdatasync(descriptor)
