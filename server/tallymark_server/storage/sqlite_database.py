"""Opens the database file: for one server alone, durable, and in the form that is known here."""

import fcntl
import logging
import os
import re
import sqlite3
import stat
from importlib import resources
from pathlib import Path
from typing import IO, Any

from tallymark_server.durable import make_folder, sync_folder
from tallymark_server.storage.sqlite_checkpoints import Checkpoints, checkpoint_all
from tallymark_server.watching.histogram import Histogram
from tallymark_server.watching.lane_work import WRITE_SECONDS

__all__ = [
    "ExclusiveConnection",
    "StoreRefused",
    "connect",
    "lock_beside",
    "make_durable",
    "sqlite_warnings",
]

APPLICATION_ID = 0x544D4B32  # "TMK2": tells our files from those of other programs.
UNSEALED_APPLICATION_ID = 0x544D4B31  # "TMK1": our first ones, which sealed nothing.
PAGE_BYTES = 8192  # A few rows more in each: 80 us of storage a command, against 95 with 4096.
CACHE_KIBIBYTES = 32 * 1024
WAL_KEPT_BYTES_MAX = 64 * 1024 * 1024
BUSY_SECONDS_MAX = 5  # Somebody may be reading along for a backup; nobody else may write.
STATEMENTS_CACHED = 256  # Five for each table, and some.

_SYNCHRONOUS_FULL = 2

_log = logging.getLogger(__name__)


class StoreRefused(Exception):
    """A database that cannot be served; the message says why and what to do."""


class ExclusiveConnection(sqlite3.Connection):
    """A connection that keeps other servers out until it is closed."""

    lock: IO[str]
    checkpoints: Checkpoints
    commit_seconds: Histogram
    warnings: tuple[str, ...] = ()

    def close(self) -> None:
        """Close the database, then let the next server in."""
        try:
            super().close()
        finally:
            self.lock.close()


def connect(path: Path) -> ExclusiveConnection:
    """Open the database; folder and file are made when missing, for their owner only.

    The connection may be used in another thread than this one, but in one at a time.

    1. Nobody else serves it.
    2. It is ours or empty, and not newer than this server.
    3. It is durable: a write-ahead log, synced on each commit, and all that a server before left
       in that log is synced, too.
    4. It has all tables of this server.

    Raises:
        StoreRefused: one of these is not so.
        OSError: the folder or the file cannot be used.
        sqlite3.Error: the database failed.

    """
    path = path.absolute()
    make_folder(path.parent)
    lock = lock_beside(path)  # (1)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        sync_folder(path.parent)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_SECONDS_MAX,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS_CACHED,
            factory=ExclusiveConnection,
        )
    except BaseException:
        lock.close()
        raise
    connection.lock = lock
    connection.commit_seconds = Histogram(WRITE_SECONDS)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def make_durable(connection: sqlite3.Connection) -> None:
    """Turn on the write-ahead log and a real sync on each commit, and read both back.

    Raises:
        StoreRefused: SQLite did not turn them on.

    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    journal_mode, synchronous = (
        _pragma(connection, "journal_mode"),
        _pragma(connection, "synchronous"),
    )
    if (journal_mode, synchronous) != ("wal", _SYNCHRONOUS_FULL):
        message = (
            f"SQLite stays at journal_mode={journal_mode} and synchronous={synchronous} instead of"
            " wal and 2 (FULL): a power cut could lose what was answered. Keep the data on a local"
            " disk."
        )
        raise StoreRefused(message)


def sqlite_warnings(version: tuple[int, ...]) -> list[str]:
    """Return a warning if this SQLite may have the WAL-reset bug.

    It is in 3.7.0 to 3.51.2, but no longer in 3.44.6 and 3.50.7 and what follows them in their
    branches (sqlite.org/wal.html, section 11).
    """
    branch = version[:2]
    is_repaired = (branch == (3, 44) and version >= (3, 44, 6)) or (
        branch == (3, 50) and version >= (3, 50, 7)
    )
    if is_repaired or not (3, 7, 0) <= version < (3, 51, 3):
        return []
    text = ".".join(map(str, version[:3]))
    warning = (
        f"SQLite {text} may have the WAL-reset bug, which can corrupt a database that several"
        " connections write or checkpoint. This server uses one connection only. Let no other"
        " program write to the database while it runs, or use a repaired SQLite: 3.51.3 or later,"
        " 3.50.7, 3.44.6."
    )
    return [warning]


def _prepare(connection: ExclusiveConnection, path: Path) -> None:
    migrations = _migrations()
    _check_identity(connection, path, newest=max(migrations))  # (2)
    path.chmod(0o600)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # has no effect on an existing database
    make_durable(connection)  # (3)
    connection.execute("PRAGMA mmap_size = 0")
    # Zeroes over what is replaced or removed: a row that was removed, or its cell, is gone from the
    # file. Saving a command takes 87 us with it and 87 without, or the noise hides the difference.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES_MAX}")
    connection.checkpoints = Checkpoints(connection)
    if not checkpoint_all(connection):
        message = f"Another program keeps {path} busy. Stop it, then start the server."
        raise StoreRefused(message)
    _migrate(connection, migrations)  # (4)
    connection.warnings = (*sqlite_warnings(sqlite3.sqlite_version_info), *_folder_warnings(path))
    for warning in connection.warnings:
        _log.warning("%s", warning)


def lock_beside(path: Path) -> IO[str]:
    """Take the lock beside the database. It ends with the process, so its file may stay.

    Raises:
        StoreRefused: a server has it.

    """
    lock = os.fdopen(os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        message = f"Another server uses {path}. Stop it, or give this one a folder of its own."
        raise StoreRefused(message) from error
    return lock


def _check_identity(connection: sqlite3.Connection, path: Path, *, newest: int) -> None:
    """Read before anything is written, so that a foreign file stays as it is."""
    not_ours = f"{path} is not a Tallymark database. Give the server a folder of its own."
    try:
        application_id = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
        (is_used,) = connection.execute("SELECT EXISTS (SELECT * FROM sqlite_schema)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname != "SQLITE_NOTADB":
            raise
        raise StoreRefused(not_ours) from error
    if application_id == UNSEALED_APPLICATION_ID:
        message = (
            f"{path} is from a server that did not seal what it kept of people, and is served no"
            " more. Give the server a new folder, and let everybody enrol again."
        )
        raise StoreRefused(message)
    if application_id != APPLICATION_ID and (application_id or version or is_used):
        raise StoreRefused(not_ours)
    if version > newest:
        message = (
            f"{path} has version {version}, and this server knows versions up to {newest}. Run the"
            " newer server that wrote it, or restore a backup from before."
        )
        raise StoreRefused(message)


def _migrations() -> dict[int, str]:
    """Return the scripts by their numbers."""
    folder = resources.files("tallymark_server.storage") / "migrations"
    return {
        int(match[1]): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name))
    }


def _migrate(connection: sqlite3.Connection, migrations: dict[int, str]) -> None:
    """Run the missing scripts in order, each in one transaction with the version it leads to."""
    version = _pragma(connection, "user_version")
    for number in sorted(number for number in migrations if number > version):
        connection.executescript(
            f"BEGIN IMMEDIATE; {migrations[number]}\n;"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"
        )


def _folder_warnings(path: Path) -> list[str]:
    folder = path.parent
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077 == 0:
        return []
    return [f"Other users may look into {folder} (mode {mode:o}). Run: chmod 700 {folder}"]


def _pragma(connection: sqlite3.Connection, name: str) -> Any:  # noqa: ANN401 -- depends on the name
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return value
