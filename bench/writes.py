"""What the server writes for each scan: recorded from a real one, to be written again without it.

A recording server notes every statement of every transaction. Scans that come one by one make one
transaction each; those of a batch are what the server itself would write for it, because it keeps
of each row only what is last, and one statement for each table.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.served import SERVER

__all__ = ["Batch", "batches_of", "recording_server"]


class Batch(NamedTuple):
    """What one transaction writes, by statement."""

    rows: dict[str, dict[str, Any]]
    """Rows put, by their keys."""

    others: dict[str, list[Any]]
    """Keys of rows removed, or lines of the journal."""


def recording_server(notes: Path) -> str:
    """Return the code of a server that notes what it writes in a file."""
    path = str(notes)
    return f"from bench.noting import note_transactions; note_transactions({path!r}); {SERVER}"


def batches_of(lines: Sequence[bytes], scans: int, size: int) -> list[Batch]:
    """Return what so many scans write in batches of a size; the lines are theirs alone."""
    each, rest = divmod(len(lines), scans)
    assert each, "the scans wrote nothing"
    assert rest == 0, f"{len(lines)} transactions for {scans} scans"
    step = each * size
    return [_merged(lines[first : first + step]) for first in range(0, len(lines), step)]


def _merged(lines: Sequence[bytes]) -> Batch:
    """Return transactions as one: of a row only what is last, and each statement once."""
    batch = Batch({}, {})
    for line in lines:
        for sql, text in json.loads(line):
            given = json.loads(text)
            if isinstance(given, dict):
                batch.rows.setdefault(sql, {}).update(given)
            else:
                batch.others.setdefault(sql, []).extend(given)
    return batch
