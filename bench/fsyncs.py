"""How long the disk takes to make something durable."""

import os
import tempfile
import time
from pathlib import Path
from typing import Final

from tallymark_server.storage.sqlite_database import PAGE_BYTES

__all__ = ["sync_pages"]

FSYNCS: Final = 100

FILE_PAGES: Final = 64
"""Written over and over, as the write-ahead log is, so that the file does not grow."""


def sync_pages(folder: Path) -> list[float]:
    """Return how many milliseconds it took to write and sync a page, each time."""
    milliseconds = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(FILE_PAGES * PAGE_BYTES))
        os.fsync(file.fileno())
        for number in range(FSYNCS):
            began = time.perf_counter()
            page = os.urandom(PAGE_BYTES)
            os.pwrite(file.fileno(), page, number % FILE_PAGES * PAGE_BYTES)
            os.fsync(file.fileno())
            milliseconds.append(1000 * (time.perf_counter() - began))
    return milliseconds
