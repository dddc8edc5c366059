"""The terminal's own folder: who it is, its secret and its journal, readable by its user only."""

import contextlib
import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Final

import platformdirs

from tallymark_terminal.server_connection import Enrolment

__all__ = ["HOME_VARIABLE", "Home", "HomeInUse", "HomeUnusable", "Identity", "default_home_path"]

HOME_VARIABLE: Final = "TALLYMARK_TERMINAL_HOME"
"""Environment variable that names the folder."""

_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


class HomeUnusable(Exception):
    """The folder cannot be used; the message says why and what to do."""


class HomeInUse(HomeUnusable):
    """Another process scans or recovers with this folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who this terminal is, as enrolment gave it, and where its server listens."""

    server: str
    terminal_id: str
    merchant_id: str
    merchant_name: str
    terminal_secret: str = field(repr=False)


def default_home_path() -> Path:
    """Return where this system keeps an application's data for one user."""
    return platformdirs.user_data_path("tallymark-terminal")


class Home:
    """The folder; it is made when something is first written."""

    def __init__(self, path: Path) -> None:
        """Take its path."""
        self.path = path
        self.journal_path = path / "journal.sqlite3"
        self._identity_path = path / "terminal.json"
        self._enrolment_path = path / "enrolment.json"

    def make(self) -> None:
        """Make the folder, private to this user; raises HomeUnusable."""
        try:
            self.path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            message = f"the folder {self.path} cannot be made ({error.strerror}); name another"
            raise HomeUnusable(message) from error

    def read_identity(self) -> Identity:
        """Return who this terminal is; raises HomeUnusable if it is not enrolled."""
        try:
            status = self._identity_path.stat()
            text = self._identity_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            message = f"no terminal is enrolled in {self.path}; run tallymark-terminal enrol"
            raise HomeUnusable(message) from None
        except OSError as error:
            message = f"{self._identity_path} cannot be read ({error.strerror})"
            raise HomeUnusable(message) from error
        if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            message = (
                f"{self._identity_path} holds the terminal's secret, and others may read it; "
                "run chmod 600 on it, and enrol again if they did"
            )
            raise HomeUnusable(message)
        try:
            return Identity(**json.loads(text))
        except (ValueError, TypeError):
            # Without the cause, whose text may repeat the secret.
            message = f"{self._identity_path} is damaged; enrol again"
            raise HomeUnusable(message) from None

    def write_identity(self, enrolment: Enrolment, *, server: str) -> Identity:
        """Keep what enrolment gave, and forget the request that asked for it."""
        identity = Identity(server=server, **asdict(enrolment))
        self._write(self._identity_path, asdict(identity))
        self._enrolment_path.unlink(missing_ok=True)
        return identity

    def enrolment_request_id(self, *, server: str, enrolment_code: str, new_id: str) -> str:
        """Return the id to enrol with: that of an unanswered try with this code, else `new_id`.

        It is written down before it is used. The same id and code give the same secret again, so
        that a lost answer does not use the one-time code up.
        """
        fingerprint = hashlib.sha256(f"{server}\n{enrolment_code}".encode()).hexdigest()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            earlier = json.loads(self._enrolment_path.read_text(encoding="utf-8"))
            if hmac.compare_digest(earlier["fingerprint"], fingerprint):
                return str(earlier["request_id"])
        self._write(self._enrolment_path, {"request_id": new_id, "fingerprint": fingerprint})
        return new_id

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other scan and recovery out of this folder; raises HomeInUse.

        Without it, a recovery could settle a sale that a till is just making.
        """
        self.make()
        with _open_private(self.path / "lock", os.O_RDWR | os.O_CREAT) as file:
            try:
                _lock_file(file)
            except OSError as error:
                message = (
                    f"another tallymark-terminal is scanning with {self.path}; "
                    "stop it, or give each terminal its own --home"
                )
                raise HomeInUse(message) from error
            yield

    def _write(self, path: Path, content: dict[str, str]) -> None:
        """Replace a file as a whole, on the disk before this returns."""
        self.make()
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with _open_private(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write(json.dumps(content, indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        if os.name == "posix":
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def make_private_file(path: Path) -> None:
    """Make a file that only this user can read, if there is none."""
    _open_private(path, os.O_RDWR | os.O_CREAT).close()


def _open_private(path: Path, flags: int) -> IO[bytes]:
    try:
        descriptor = os.open(path, flags, _PRIVATE_FILE)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror})"
        raise HomeUnusable(message) from error
    return os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "wb")


def _lock_file(file: IO[bytes]) -> None:
    """Lock the file for this process, which frees it by ending; raises OSError if it is locked."""
    if os.name == "posix":
        import fcntl  # noqa: PLC0415 - exists on POSIX only

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined] # Windows only
