"""The folder of keys: few small files, each written as a whole, durably, for their owner only.

    kinds.json     kinds of key that were made here, so that one that is lost is missed
    passphrase     only in a folder that a passphrase protects: 16 bytes of salt, and an empty text
                   encrypted under the passphrase, by which it is checked

With a passphrase the content of every other file is encrypted under it, with the file's name as
associated data: no file can stand in for another one.
"""

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tallymark_server.durable import make_folder, sync_folder
from tallymark_server.keys.passphrase import SALT_BYTES, DoesNotOpen, FileCipher, KeysRefused

__all__ = ["KeyFolder", "KeysRefused"]

_KINDS: Final = "kinds.json"
_CHECK: Final = "passphrase"
_NEW: Final = ".new"
"""What a file that is being written ends with; a power cut may leave one, and nobody reads it."""

_FIRST_KINDS: Final = frozenset({"master.key", "signing", "epoch"})
"""Kinds in folders that were made before there was a list of kinds."""


class KeyFolder:
    """Reads and writes the files of one folder."""

    def __init__(self, path: Path, cipher: FileCipher | None, *, make_missing: bool) -> None:
        """Use `open` instead."""
        self.path = path
        self._cipher = cipher
        self._make_missing = make_missing
        self._kinds = _FIRST_KINDS
        if self.has(_KINDS):
            self._kinds = frozenset(json.loads(self.read(_KINDS)))

    @classmethod
    def open(
        cls, path: Path, *, make_missing: bool = True, passphrase: bytes | None = None
    ) -> "KeyFolder":
        """Open the folder; make it, protected if a passphrase is given, unless it is there.

        `make_missing` is False beside an existing database, where new keys would be worse than
        none: what is in it could never be read again. Kinds of key that came into use later than
        the folder are made all the same.

        Raises:
            KeysRefused: the folder is missing, others may look into it, or the passphrase is not
                the one that it was made with.
            OSError: the folder cannot be used.

        """
        path = path.absolute()
        if not path.is_dir():
            if not make_missing:
                raise _missing(path)
            make_folder(path)
        _refuse_if_shared(path, wanted=0o700)
        cipher = _cipher_of(path, passphrase)
        return cls(path, cipher, make_missing=make_missing)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other servers out: each would destroy replaced keys that the other one needs.

        Raises:
            KeysRefused: another one has the folder.

        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            _lock(descriptor, self.path)
            yield
        finally:
            os.close(descriptor)

    def has(self, name: str) -> bool:
        """Whether there is a file with this name."""
        return (self.path / name).exists()

    def names(self, first: str, last: str) -> list[str]:
        """Return the names of the files that begin and end so, in their order."""
        names = (file.name for file in self.path.iterdir())
        return sorted(name for name in names if name.startswith(first) and name.endswith(last))

    def secrets(self) -> list[str]:
        """Return the names of all files that `write` has written."""
        return [name for name in self.names("", "") if name != _CHECK and not name.endswith(_NEW)]

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            KeysRefused: it is missing, others may read it, or it was changed.

        """
        file = self.path / name
        if not file.exists():
            raise _missing(file)
        _refuse_if_shared(file, wanted=0o600)
        content = file.read_bytes()
        if self._cipher is None:
            return content
        try:
            return self._cipher.decrypt(name, content)
        except DoesNotOpen as error:
            message = f"{file} is damaged or from another folder; put it back from your backup"
            raise KeysRefused(message) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that after a power cut it is there as a whole, or is as it was."""
        encrypted = self._cipher.encrypt(name, content) if self._cipher else content
        _write(self.path / name, encrypted)

    def remove(self, name: str) -> None:
        """Remove a file for good, if it is there.

        Its name is gone even after a power cut. The disk may keep the bytes until it needs their
        place: what has to be safe from somebody who takes the disk needs a passphrase.
        """
        (self.path / name).unlink(missing_ok=True)
        sync_folder(self.path)

    def read_or_make(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the content of the only file of its kind, after making it if that is right.

        Raises:
            KeysRefused: as from `read`, or it was here once and is lost.

        """
        if not self.has(name):
            with self.making(name):
                self.write(name, make())
        elif name not in self._kinds:
            self._list(name)
        return self.read(name)

    @contextmanager
    def making(self, kind: str) -> Iterator[None]:
        """Make the first files of a kind inside this context, which lists the kind at its end.

        Raises:
            KeysRefused: there were files of this kind, and beside a database they are not made
                again.

        """
        if not self._make_missing and kind in self._kinds:
            raise _missing(self.path / kind)
        yield
        self._list(kind)

    def _list(self, kind: str) -> None:
        self._kinds |= {kind}
        self.write(_KINDS, json.dumps(sorted(self._kinds)).encode())


def _cipher_of(path: Path, passphrase: bytes | None) -> FileCipher | None:
    """Return what encrypts the files, None if nothing does; a new folder does as it is told."""
    file = path / _CHECK
    is_protected = file.exists()
    if passphrase is None:
        if is_protected:
            message = (
                f"the keys in {path} are protected by a passphrase; give it with"
                " --key-passphrase-file FILE or in TALLYMARK_KEY_PASSPHRASE"
            )
            raise KeysRefused(message)
        return None
    if not is_protected:
        if any(file.is_file() and not file.name.endswith(_NEW) for file in path.iterdir()):
            message = (
                f"the keys in {path} were made without a passphrase; start without one, or copy"
                " them into a protected folder: python -m tallymark_server.keys --help"
            )
            raise KeysRefused(message)
        salt = os.urandom(SALT_BYTES)
        cipher = FileCipher(passphrase, salt)
        _write(file, salt + cipher.encrypt(_CHECK, b""))
        return cipher
    content = file.read_bytes()
    cipher = FileCipher(passphrase, content[:SALT_BYTES])
    try:
        cipher.decrypt(_CHECK, content[SALT_BYTES:])
    except DoesNotOpen as error:
        message = f"the passphrase is not the one that the keys in {path} were made with"
        raise KeysRefused(message) from error
    return cipher


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"Another server uses the keys in {path}. Stop it, or give this one its own."
        raise KeysRefused(message) from error


def _missing(path: Path) -> KeysRefused:
    return KeysRefused(f"{path} is missing; put the keys back from your backup")


def _refuse_if_shared(path: Path, *, wanted: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        message = f"others may use {path} (mode {mode:o}). Run: chmod {wanted:o} {path}"
        raise KeysRefused(message)


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(f"{file.name}{_NEW}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.rename(file)
    sync_folder(file.parent)
