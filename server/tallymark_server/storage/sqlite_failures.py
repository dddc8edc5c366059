"""Says what a failure of the database means for the person who runs the server."""

import sqlite3
from collections.abc import Mapping
from typing import Final

__all__ = ["in_plain_words"]

_DISK_FULL: Final = "the disk is full. Make room, then start the server again"
_DISK_ERROR: Final = (
    "the disk reports an error. See whether it is sound, then start the server again"
)
_LOCKED: Final = (
    "another program keeps the database locked. Find and stop it, then start the server again"
)
_DAMAGED: Final = (
    "the database file is damaged. Keep a copy of it, and go back to the last backup that is sound"
)

_WORDS: Final[Mapping[str, str]] = {
    "SQLITE_FULL": _DISK_FULL,
    "SQLITE_IOERR": _DISK_ERROR,
    "SQLITE_CANTOPEN": _DISK_ERROR,
    "SQLITE_READONLY": "the database may not be written. Give the server's user the right to",
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_NOMEM": "the machine has no memory left. Make some free, then start the server again",
}
"""By SQLite's primary result codes; the names of extended ones begin with them."""


def in_plain_words(error: Exception) -> str:
    """Return what happened and what to do next, in one sentence without an end.

    Bytes that SQLite read without complaint and that make no sense are damage, too.
    """
    if isinstance(error, OSError):
        return f"{_DISK_ERROR} ({error.strerror})"
    if isinstance(error, MemoryError):
        return _WORDS["SQLITE_NOMEM"]
    if not isinstance(error, sqlite3.Error):
        return _DAMAGED
    name = getattr(error, "sqlite_errorname", "")
    words = next((words for begin, words in _WORDS.items() if name.startswith(begin)), "")
    return f"{words} ({error})" if words else f"{error}. Start the server again"
