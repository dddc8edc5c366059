"""The SQL of one table of rows: each call is one statement, whatever the number of rows.

Keys and rows go in as one JSON text that SQLite unfolds with json_each, and rows come out as one
JSON text. That is more than less work: every row fetched by itself gives the interpreter lock away
and waits for it again. Beside a busy thread, 400 rows took 10.5 ms one by one and 0.4 ms as a text.

A table that is not open keeps its bodies sealed (`Cells`), each for its own place: the same
statements carry them as strings, and they are sealed and opened here. A command that reads and
writes seven rows, four of them sealed, takes 30 us to load instead of 19, and 87 to save instead
of 55 (measured, in batches of 50 to 400).
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from tallymark_server.domain.state import Key, Row
from tallymark_server.keys.cells import Cells
from tallymark_server.storage.store import RowExists

__all__ = ["RowTable"]

R = TypeVar("R", bound=Row)

# A key goes in as one text: three digits of partition, then its own text. SQL cuts it again.
_LOAD = """
    SELECT '[' || group_concat('[' || wanted.key || ',' || {body} || ']') || ']'
    FROM json_each(?) AS wanted CROSS JOIN {table} AS found
    ON found.partition = CAST(substr(wanted.value, 1, 3) AS INTEGER)
    AND found.key = substr(wanted.value, 4)
"""
_PUT = """
    INSERT INTO {table} (partition, key, body)
    SELECT CAST(substr(new.key, 1, 3) AS INTEGER), substr(new.key, 4), new.value
    FROM json_each(?) AS new WHERE true
    ON CONFLICT (partition, key) DO UPDATE SET body = excluded.body
"""
_ADD = """
    INSERT INTO {table} (partition, key, body)
    SELECT CAST(substr(new.key, 1, 3) AS INTEGER), substr(new.key, 4), new.value
    FROM json_each(?) AS new
"""
# Key before partition, and as TEXT: an older SQLite, such as 3.40, compares both as it would
# compare the first, and were that a number, it would search the whole partition.
_DELETE = """
    DELETE FROM {table} WHERE (key, partition) IN (
        SELECT CAST(substr(value, 4) AS TEXT), CAST(substr(value, 1, 3) AS INTEGER)
        FROM json_each(?)
    )
"""
_SCAN = """
    SELECT '[' || group_concat('[' || json_quote(found.key) || ',' || {body} || ']') || ']' FROM (
        SELECT key, body FROM {table}
        WHERE partition = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?
    ) AS found
"""
_SCAN_NEWEST_FIRST = _SCAN.replace("ORDER BY key", "ORDER BY key DESC")

_OPEN_BODY = "found.body"
_SEALED_BODY = "json_quote(found.body)"

_to_json = msgspec.json.Encoder().encode


class RowTable(Generic[R]):
    """A table of rows, each kept under partition and key: as JSON, or as a cell with JSON in it."""

    def __init__(self, table: type[R], cells: Cells) -> None:
        """Prepare the statements and the typed decoders of this table."""
        self.name = table.table
        self._cells = None if table.is_open else cells
        sql = {"table": self.name, "body": _OPEN_BODY if table.is_open else _SEALED_BODY}
        self.load_sql = _LOAD.format_map(sql)
        self.put_sql = _PUT.format_map(sql)
        self.add_sql = _ADD.format_map(sql)
        self.delete_sql = _DELETE.format_map(sql)
        self.scan_sql = _SCAN.format_map(sql)
        self.scan_newest_first_sql = _SCAN_NEWEST_FIRST.format_map(sql)
        # Types that are known only at run time, where the checker cannot read them.
        numbered, keyed = list[tuple[int, table]], list[tuple[str, table]]  # type: ignore[valid-type]
        self._to_row = msgspec.json.Decoder(table).decode
        self._to_numbered_rows = msgspec.json.Decoder(numbered).decode
        self._to_keyed_rows = msgspec.json.Decoder(keyed).decode
        self._to_numbered_cells = msgspec.json.Decoder(list[tuple[int, str]]).decode
        self._to_keyed_cells = msgspec.json.Decoder(list[tuple[str, str]]).decode

    def load(
        self, connection: sqlite3.Connection, keys: Sequence[Key[R]]
    ) -> Iterable[tuple[Key[R], R]]:
        """Return the rows that exist.

        Raises:
            CellRefused: one does not open.

        """
        texts = [_text(key) for key in keys]
        (found,) = connection.execute(self.load_sql, (_to_json(texts).decode(),)).fetchone()
        if self._cells is None:
            return [(keys[number], row) for number, row in self._to_numbered_rows(found or "[]")]
        cells = self._to_numbered_cells(found or "[]")
        return [(keys[number], self._opened(texts[number], cell)) for number, cell in cells]

    def put(self, connection: sqlite3.Connection, rows: Mapping[Key[R], R]) -> None:
        """Add rows, or replace those that have these keys."""
        connection.execute(self.put_sql, (self._bodies(rows),))

    def add(self, connection: sqlite3.Connection, rows: Mapping[Key[R], R]) -> None:
        """Add rows.

        Raises:
            RowExists: there is one with one of these keys. The transaction is to be rolled back.

        """
        try:
            connection.execute(self.add_sql, (self._bodies(rows),))
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                raise
            raise RowExists from error

    def delete(self, connection: sqlite3.Connection, keys: Iterable[Key[R]]) -> None:
        """Remove the rows that have these keys."""
        texts = [_text(key) for key in keys]
        connection.execute(self.delete_sql, (_to_json(texts).decode(),))

    def scan(  # noqa: PLR0913 -- the bounds of one range
        self,
        connection: sqlite3.Connection,
        partition: int,
        *,
        first: str,
        last: str,
        limit: int,
        newest_first: bool,
    ) -> list[R]:
        """Return up to `limit` rows with first <= key text < last, in that order or against it.

        Raises:
            CellRefused: one does not open.

        """
        sql = self.scan_newest_first_sql if newest_first else self.scan_sql
        bounds = (partition, _without_nul(first), _without_nul(last), limit)
        (found,) = connection.execute(sql, bounds).fetchone()
        if self._cells is None:
            rows = [row for _, row in self._to_keyed_rows(found or "[]")]
        else:
            cells = self._to_keyed_cells(found or "[]")
            rows = [self._opened(f"{partition:03d}{key}", cell) for key, cell in cells]
        # SQLite keeps the order here, but promises it for no aggregate.
        return sorted(rows, key=lambda row: row.text, reverse=newest_first)

    def _bodies(self, rows: Mapping[Key[R], R]) -> str:
        bodies: dict[str, R | str] = {_text(key): row for key, row in rows.items()}
        if self._cells is not None:
            for text, row in bodies.items():
                bodies[text] = self._cells.seal(self.name, text, _to_json(row))
        return _to_json(bodies).decode()

    def _opened(self, text: str, cell: str) -> R:
        assert self._cells is not None, "only cells are opened"
        return self._to_row(self._cells.open(self.name, text, cell))


def _text(key: Key[Any]) -> str:
    return f"{key.partition:03d}{_without_nul(key.text)}"


def _without_nul(text: str) -> str:
    """Return another text for each text, in the same order, because SQLite cuts texts at NUL."""
    return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")
