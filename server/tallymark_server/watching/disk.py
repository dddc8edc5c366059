"""What the database takes on its disk, and what is left there."""

import shutil
from pathlib import Path
from typing import NamedTuple

__all__ = ["DiskUse", "disk_use"]


class DiskUse(NamedTuple):
    """Sizes now."""

    database_bytes: int = 0
    log_bytes: int = 0
    """The write-ahead log, which is copied into the database again and again."""

    free_bytes: int = 0
    floor_bytes: int = 0


def disk_use(database: Path, floor_bytes: int) -> DiskUse:
    """Ask the kernel, which knows without reading the disk."""
    return DiskUse(
        database_bytes=_size(database),
        log_bytes=_size(database.with_name(f"{database.name}-wal")),
        free_bytes=shutil.disk_usage(database.parent).free,
        floor_bytes=floor_bytes,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
