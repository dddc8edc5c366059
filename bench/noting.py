"""What `bench.writes` puts into a server's process: it notes every statement that changes rows."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tallymark_server.storage.sqlite_database import ExclusiveConnection

__all__ = ["note_transactions"]

_CHANGES: Final = ("INSERT", "DELETE")


def note_transactions(path: str) -> None:
    """Let this process note its transactions, a line of JSON for each."""
    execute = sqlite3.Connection.execute
    noted: list[tuple[str, str]] = []

    def execute_and_note(
        connection: ExclusiveConnection, sql: str, parameters: Sequence[Any] = ()
    ) -> sqlite3.Cursor:
        verb = sql.split(None, 1)[0]
        if verb in _CHANGES:
            noted.append((sql, *parameters))
        elif verb == "COMMIT":
            with Path(path).open("ab") as notes:
                notes.write(msgspec.json.encode(noted) + b"\n")
            noted.clear()
        return execute(connection, sql, parameters)

    ExclusiveConnection.execute = execute_and_note  # type: ignore[assignment]  # only in this process
