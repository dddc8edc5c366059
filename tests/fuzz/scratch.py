"""Where inputs become files: in memory, where the system has such a place."""

import os
from pathlib import Path

__all__ = ["in_memory"]

_MEMORY = Path("/dev/shm")  # noqa: S108 -- folders of our own are made in it


def in_memory() -> Path | None:
    """Return the folder in which to make folders; None for the usual one."""
    return None if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK) else _MEMORY
