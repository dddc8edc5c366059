"""Files that hold a secret: readable by their owner alone from the first byte on."""

import os
import tempfile
from pathlib import Path
from typing import Final

__all__ = [
    "create_private_file",
    "is_private",
    "make_private_folder",
    "replace_private_file",
    "sync_folder",
]

_OWNER_ONLY: Final = 0o600
_FOLDER_OF_OWNER: Final = 0o700
_GROUP_AND_OTHERS: Final = 0o077


def create_private_file(path: Path, text: str) -> None:
    """Write a new file.

    Raises:
        FileExistsError: there is a file already; it is left alone.
        OSError: it cannot be written.

    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as file:
        file.write(text)


def replace_private_file(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, replacing an earlier one.

    It is on the disk before this returns.

    Raises:
        OSError: it cannot be written.

    """
    number, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(number, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_private_folder(path: Path) -> None:
    """Make a folder for its owner alone, if it is not there; its name is on the disk afterwards.

    Raises:
        OSError: it cannot be made.

    """
    path.mkdir(mode=_FOLDER_OF_OWNER, parents=True, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the disk, where the system can do that."""
    if os.name != "posix":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_private(path: Path) -> bool:
    """Return whether only the owner may open the file, or modes mean nothing on this system."""
    return os.name != "posix" or not path.stat().st_mode & _GROUP_AND_OTHERS
