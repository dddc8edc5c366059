"""Rows as they were last read or committed, so that rows in use are not read again.

The lane is the only writer of its partitions, so what it remembers is what the store holds.
"""

from itertools import islice
from typing import Any, Final

from tallymark_server.domain.model.processes import Code, CustomerProcess, Process, Request
from tallymark_server.domain.state import Key, Row, Rows

__all__ = ["REQUESTS_MAX", "ROWS_MAX", "RowMemory"]

_SELDOM_READ: Final = {Request, CustomerProcess}
"""One more with every call, and read again only when it is repeated, or never by a rule."""

_NOT_MISSED: Final = {Code, Process}
"""Removed many at a time when they are old, and then not asked for again."""

ROWS_MAX: Final = 20_000
"""Rows that are remembered, some 20 MB: those of a few thousand customers at the tills."""

REQUESTS_MAX: Final = 20_000
"""Requests of which only the key is remembered: callers repeat what is a moment old."""


class RowMemory:
    """Remembers so many rows; of more, those that were loaded or written longest ago go."""

    def __init__(self, rows_max: int = ROWS_MAX, requests_max: int = REQUESTS_MAX) -> None:
        """Start with none."""
        self._rows_max = rows_max
        self._requests_max = requests_max
        self.requests: dict[Key[Any], None] = {}
        """Requests that were in the store, to be read only. A removed one is looked for in vain."""

        self.rows: dict[Key[Any], Row | None] = {}
        """All that is remembered, to be read only."""

    def learn(self, rows: Rows) -> None:
        """Take in rows as they are committed now; None for those that do not exist."""
        for key, row in rows.items():
            if key.table is Request and row is not None:
                self.requests[key] = None
            if key.table not in _SELDOM_READ:
                self.rows.pop(key, None)  # put in again, it is the newest
                if row is not None or key.table not in _NOT_MISSED:
                    self.rows[key] = row
        _keep_newest(self.rows, self._rows_max)
        _keep_newest(self.requests, self._requests_max)


def _keep_newest(kept: dict[Key[Any], Any], count_max: int) -> None:
    for key in list(islice(kept, max(0, len(kept) - count_max))):
        del kept[key]
