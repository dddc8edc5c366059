"""Files that only the terminal's user can read, and that a power cut leaves old or new, never torn.

Some belong together, such as a key and its certificate: a `Switch` replaces them as one.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

__all__ = [
    "HomeInUse",
    "HomeUnusable",
    "Switch",
    "locked",
    "make_private_file",
    "make_private_folder",
    "read_private_file",
    "write_private_file",
]

_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


class HomeUnusable(Exception):
    """The terminal's folder cannot be used; the message says why and what to do."""


class HomeInUse(HomeUnusable):
    """Another process scans or recovers with this folder."""


class Switch:
    """Several files of one folder that are replaced together.

    The new content of each lies beside the old one first, as client.new.pem beside client.pem, and
    that of the last one, the mark, comes last. Before the mark is there, nothing has changed; from
    then on everything has, and `finish` puts the new files in place, now or after a crash.
    """

    def __init__(self, folder: Path, *, names: tuple[str, ...], mark: str) -> None:
        """Take the names of the files, and of the one that decides."""
        self._folder = folder
        self._names = names
        self._mark = mark

    def new(self, name: str) -> Path:
        """Return where the new content of a file lies until the switch."""
        path = self._folder / name
        return path.with_name(f"{path.stem}.new{path.suffix}")

    def decide(self, contents: Mapping[str, bytes]) -> None:
        """Write new contents, the mark's among them, and with it decide the switch.

        A file of the switch that is not named keeps what lies ready for it, or its old content.
        """
        for name in (*self._names, self._mark):
            if name in contents:
                write_private_file(self.new(name), contents[name])

    def finish(self) -> None:
        """Put the new files in place if the switch is decided; repeating it does no harm."""
        if not self.new(self._mark).exists():
            return
        for name in self._names:
            if self.new(name).exists():
                self.new(name).replace(self._folder / name)
        # The mark goes last, on the disk too.
        _sync_folder(self._folder)
        self.new(self._mark).replace(self._folder / self._mark)
        _sync_folder(self._folder)


def make_private_folder(path: Path) -> None:
    """Make a folder for this user only, if there is none; raises HomeUnusable."""
    try:
        path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {path} cannot be made ({error.strerror}); name another"
        raise HomeUnusable(message) from error


def make_private_file(path: Path) -> None:
    """Make a file that only this user can read, if there is none; raises HomeUnusable."""
    _open_private(path, os.O_RDWR | os.O_CREAT).close()


def read_private_file(path: Path) -> bytes:
    """Return what is in a file that others must not read.

    Raises:
        FileNotFoundError: there is none.
        HomeUnusable: others may read it, or this user may not.

    """
    try:
        status = path.stat()
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror})"
        raise HomeUnusable(message) from error
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = (
            f"others may read {path}, which holds a secret of this terminal; "
            "run chmod 600 on it, and enrol again if they did"
        )
        raise HomeUnusable(message)
    return content


def write_private_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole, on the disk before this returns; raises HomeUnusable."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    with _open_private(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_folder(path.parent)


@contextlib.contextmanager
def locked(path: Path, *, waits: bool) -> Iterator[None]:
    """Hold the lock that this file stands for; a process that ends gives it back.

    Raises:
        BlockingIOError: another process has it, and this one is not to wait.

    """
    with _open_private(path, os.O_RDWR | os.O_CREAT) as file:
        _lock(file, waits=waits)
        yield


def _open_private(path: Path, flags: int) -> IO[bytes]:
    try:
        descriptor = os.open(path, flags, _PRIVATE_FILE)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror})"
        raise HomeUnusable(message) from error
    return os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "wb")


def _sync_folder(folder: Path) -> None:
    """Make new names last through a power cut, as fsync did for the contents."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(file: IO[bytes], *, waits: bool) -> None:
    if os.name == "posix":
        import fcntl  # noqa: PLC0415 - exists on POSIX only

        fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        mode = msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK  # type: ignore[attr-defined] # Windows only
        try:
            msvcrt.locking(file.fileno(), mode, 1)  # type: ignore[attr-defined] # Windows only
        except OSError as error:
            raise BlockingIOError from error
