"""Room on the disk, below which the server begins nothing new.

SQLite notices a full disk in the middle of a commit, and the server stops. So it says no before:
what was begun can still be ended in what is left, and when there is room again it goes on.
"""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["FLOOR_MEBIBYTES", "FreeSpace"]

FLOOR_MEBIBYTES: Final = 256
"""Four times what the write-ahead log keeps, and as much as some 100,000 completed sales take."""

LOOK_SECONDS: Final = 1.0
"""How old the answer may be; in a second the busiest server writes some 20 MiB."""

_log = logging.getLogger(__name__)


class FreeSpace:
    """Whether there is room; call it as often as you like."""

    def __init__(
        self, folder: Path, floor_bytes: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at the disk of this folder, by this clock of seconds."""
        self._folder = folder
        self._floor_bytes = floor_bytes
        self._now = now
        self._looked_at = -LOOK_SECONDS
        self._has_room = True

    def __call__(self) -> bool:
        """Say whether there is more room than the floor. The kernel knows, and asks no disk."""
        now = self._now()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._has_room

    def _look(self) -> None:
        free_bytes = shutil.disk_usage(self._folder).free
        has_room = free_bytes >= self._floor_bytes
        if has_room != self._has_room:
            tell = _log.warning if has_room else _log.critical
            tell(
                "%d MiB are free on the disk of %s, the floor is %d MiB: %s",
                free_bytes >> 20,
                self._folder,
                self._floor_bytes >> 20,
                "everything is taken again"
                if has_room
                else "nothing new is begun until you make room",
            )
        self._has_room = has_room
