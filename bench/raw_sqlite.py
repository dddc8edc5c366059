"""The process of `bench.storage`: SQLite on one thread, opened as the server opens it."""

import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tallymark_server.storage.sqlite_database import ExclusiveConnection, connect

__all__ = ["Statement", "write", "write_all"]

Statement = tuple[str, list[tuple[Any, ...]]]
"""SQL, and the rows that it is executed for."""


def write_all(database: Path, transactions: Sequence[Sequence[Statement]]) -> tuple[float, float]:
    """Write to a copy of the database; return seconds, and seconds of processor time."""
    logging.getLogger("tallymark_server").setLevel(logging.ERROR)  # its warnings are no news here
    with tempfile.TemporaryDirectory(dir=database.parent) as folder:
        copy = shutil.copy(database, Path(folder) / "copy.sqlite3")
        with closing(connect(Path(copy))) as connection:
            processor, began = time.process_time(), time.perf_counter()
            for statements in transactions:
                write(connection, statements)
            return time.perf_counter() - began, time.process_time() - processor


def write(connection: ExclusiveConnection, statements: Sequence[Statement]) -> None:
    """Write one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for sql, rows in statements:
        connection.executemany(sql, rows)
    connection.execute("COMMIT")
    connection.checkpoints.after_commit(connection)
