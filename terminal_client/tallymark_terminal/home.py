"""The terminal's own folder: who it is, its key and its journal, readable by its user only."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import platformdirs

from tallymark_terminal.identity import Identity
from tallymark_terminal.identity_files import IdentityFiles
from tallymark_terminal.private_files import HomeInUse, HomeUnusable, locked, make_private_folder

__all__ = [
    "HOME_VARIABLE",
    "SERVER_VARIABLE",
    "Home",
    "HomeInUse",
    "HomeUnusable",
    "default_home_path",
]

HOME_VARIABLE: Final = "TALLYMARK_TERMINAL_HOME"
"""Environment variable that names the folder."""

SERVER_VARIABLE: Final = "TALLYMARK_TERMINAL_SERVER"
"""Environment variable that names the server, for one that has moved since the enrolment."""


_LANES: Final = "lanes"


def default_home_path() -> Path:
    """Return where this system keeps an application's data for one user."""
    return platformdirs.user_data_path("tallymark-terminal")


class Home:
    """The folder; it is made when something is first written."""

    def __init__(self, path: Path, *, server: str | None = None) -> None:
        """Take its path, and where the server is if not where it was at the enrolment."""
        self.path = path
        self.journal_path = path / "journal.sqlite3"
        self.identity_files = IdentityFiles(path)
        self._server = server

    def lane_journal_path(self, lane_id: str) -> Path:
        """Return where the sales of a lane are written down, in a folder that is there."""
        folder = self.path / _LANES / lane_id
        make_private_folder(folder)
        return folder / "journal.sqlite3"

    def lane_ids(self) -> list[str]:
        """Return the lanes that have made sales."""
        folder = self.path / _LANES
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def read_identity(self) -> Identity:
        """Return who this terminal is; raises HomeUnusable if it is not enrolled."""
        identity = self.identity_files.read()
        return replace(identity, server=self._server) if self._server else identity

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other scan and recovery out of this folder; raises HomeInUse.

        Without it, a recovery could settle a sale that a till is just making.
        """
        make_private_folder(self.path)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path / "lock", waits=False))
            except BlockingIOError as error:
                message = (
                    f"another tallymark-terminal is scanning with {self.path}; "
                    "stop it, or give each terminal its own --home"
                )
                raise HomeInUse(message) from error
            yield
