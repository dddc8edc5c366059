"""A database file for servers that keep their data in memory, so that they can make backups."""

import functools
import tempfile
from pathlib import Path

from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.sqlite_database import connect

__all__ = ["backups_of_tests"]

_folder = functools.cache(tempfile.TemporaryDirectory)


@functools.cache
def _database() -> Path:
    """Return an empty database that is made once, and gone with the tests."""
    path = Path(_folder().name) / "tallymark.sqlite3"
    connect(path).close()
    return path


def backups_of_tests() -> Backups:
    """Return what makes backups of the empty database."""
    return Backups(database=_database(), folder=_database().parent / "backups")
