"""Files that only their owner can read, and that are never seen half written."""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

__all__ = ["FolderTooOpen", "make_private_folder", "read_json", "write_private_file"]

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077


class FolderTooOpen(Exception):
    """Other users of this computer can enter the folder."""


def make_private_folder(folder: Path) -> None:
    """Make sure that the folder exists and is its owner's alone.

    A folder that was empty is closed. One with content may be anybody's, such as /tmp, so it is
    not touched.

    Raises:
        FolderTooOpen: the folder has content and is open to others.

    """
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if os.name != "posix" or not folder.stat().st_mode & _OTHERS:
        return
    if any(folder.iterdir()):
        message = (
            f"Others can enter {folder}. If it is meant to be your phone's folder, close it with"
            f" chmod 700; else choose another one."
        )
        raise FolderTooOpen(message)
    folder.chmod(_FOLDER_MODE)


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what a file of JSON holds.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not JSON, or nested deeper than anything that was ever written here.

    """
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None


def write_private_file(path: Path, content: bytes) -> None:
    """Put the content in place at once and lastingly, with mode 0600; its folder must exist."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        raise
    if os.name == "posix":
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, as fsync did for the content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
