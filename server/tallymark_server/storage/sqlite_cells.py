"""Cells as the database has them: counted by their keys, and sealed anew after a rotation.

Both go through every sealed table in the order of its keys, some rows at a time, so that whoever
waits for the database waits for one step at most. What is saved meanwhile is sealed with the new
key anyway, so one walk is enough; after a restart it starts again and quickly passes what was done.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from tallymark_server.domain.state import Row
from tallymark_server.keys.cells import CellRefused, Cells

__all__ = ["Cell", "CellWalk", "Resealing", "check_cells"]

# A cell begins with the number of its key, and that is all that the cast takes of it.
_NEXT = """
    SELECT partition, key, CAST(body AS INTEGER) AS key_id,
        CASE WHEN CAST(body AS INTEGER) < ? THEN body END
    FROM {table} WHERE (partition, key) > (?, ?) ORDER BY partition, key LIMIT ?
"""
_NEWER_THAN_ALL = 2**63 - 1
_START = (-1, "")
_REPLACE = "UPDATE {table} SET body = ? WHERE partition = ? AND key = ?"


class Cell(NamedTuple):
    """Where a cell is, the number of its key, and the cell itself where it was asked for."""

    partition: int
    key: str
    key_id: int
    text: str | None

    @property
    def row_key(self) -> str:
        """The key of its row as it was sealed for it."""
        return f"{self.partition:03d}{self.key}"


class CellWalk:
    """A walk through all cells, with the text of those whose key is older than one."""

    def __init__(self, tables: Sequence[type[Row]], *, older_than: int = 0) -> None:
        """Start before the first table."""
        self.table = ""
        """Table of the cells that were returned last."""

        self._older_than = older_than
        self._left = deque(row.table for row in tables if not row.is_open)
        self._after = _START

    def next(self, connection: sqlite3.Connection, limit: int) -> list[Cell]:
        """Return up to `limit` more cells, all of one table; none at the end.

        A table ends where it ends when it is read: a walk does not run after what is added there.
        """
        while self._left:
            self.table = self._left[0]
            given = (self._older_than, *self._after, limit)
            found = [Cell(*row) for row in connection.execute(self.sql(self.table), given)]
            if len(found) == limit:
                self._after = (found[-1].partition, found[-1].key)
            else:
                self._left.popleft()
                self._after = _START
            if found:
                return found
        return []

    @staticmethod
    def sql(table: str) -> str:
        """Return the statement that reads the next cells of a table."""
        return _NEXT.format(table=table)


def check_cells(connection: sqlite3.Connection, tables: Sequence[type[Row]], cells: Cells) -> None:
    """Open the first cell of every table, to notice at the start that the keys are other ones.

    Raises:
        CellRefused: one does not open.

    """
    for table in tables:
        walk = CellWalk([table], older_than=_NEWER_THAN_ALL)
        for cell in walk.next(connection, limit=1):
            assert cell.text is not None, "all cells are read with their text"
            cells.open(walk.table, cell.row_key, cell.text)


class Resealing:
    """One walk that seals every cell anew whose key is older than the one it started with."""

    def __init__(self, tables: Sequence[type[Row]], cells: Cells) -> None:
        """Start with the key that seals now."""
        self.key_id = cells.current_id
        self.refused = 0
        """Cells that do not open: they are left as they are, for a person to look at."""

        self._cells = cells
        self._walk = CellWalk(tables, older_than=self.key_id)

    def step(self, connection: sqlite3.Connection, limit: int) -> int:
        """Look at up to `limit` cells and return at how many; 0 at the end."""
        seen = self._walk.next(connection, limit)
        stale = [cell for cell in seen if cell.text is not None]
        anew = list(self._sealed_anew(stale))
        self.refused += len(stale) - len(anew)
        if anew:
            connection.executemany(_REPLACE.format(table=self._walk.table), anew)
        return len(seen)

    def _sealed_anew(self, stale: Sequence[Cell]) -> Iterator[tuple[str, int, str]]:
        table = self._walk.table
        for cell in stale:
            assert cell.text is not None, "old cells are read with their text"
            with suppress(CellRefused):
                body = self._cells.open(table, cell.row_key, cell.text)
                yield self._cells.seal(table, cell.row_key, body), cell.partition, cell.key
