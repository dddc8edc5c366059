"""The SQL of one table of rows: each call is one statement, whatever the number of rows.

Keys and rows go in as one JSON text that SQLite unfolds with json_each, and rows come out as one
JSON text. That is more than less work: every row fetched by itself gives the interpreter lock away
and waits for it again. Beside a busy thread, 400 rows took 10.5 ms one by one and 0.4 ms as a text.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from tallymark_server.domain.state import Key, Row

__all__ = ["RowTable"]

R = TypeVar("R", bound=Row)

# A key goes in as one text: three digits of partition, then its own text. SQL cuts it again.
_LOAD = """
    SELECT '[' || group_concat('[' || wanted.key || ',' || found.body || ']') || ']'
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
# Key before partition, and as TEXT: an older SQLite, such as 3.40, compares both as it would
# compare the first, and were that a number, it would search the whole partition.
_DELETE = """
    DELETE FROM {table} WHERE (key, partition) IN (
        SELECT CAST(substr(value, 4) AS TEXT), CAST(substr(value, 1, 3) AS INTEGER)
        FROM json_each(?)
    )
"""
_SCAN = """
    SELECT '[' || group_concat(body) || ']' FROM (
        SELECT body FROM {table} WHERE partition = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?
    )
"""
_SCAN_NEWEST_FIRST = _SCAN.replace("ORDER BY key", "ORDER BY key DESC")

_to_json = msgspec.json.Encoder().encode


class RowTable(Generic[R]):
    """A table of rows, each kept as JSON under partition and key."""

    def __init__(self, table: type[R]) -> None:
        """Prepare the statements and the typed decoders of this table."""
        self.load_sql = _LOAD.format(table=table.table)
        self.put_sql = _PUT.format(table=table.table)
        self.delete_sql = _DELETE.format(table=table.table)
        self.scan_sql = _SCAN.format(table=table.table)
        self.scan_newest_first_sql = _SCAN_NEWEST_FIRST.format(table=table.table)
        # Types that are known only at run time, where the checker cannot read them.
        rows, numbered_rows = list[table], list[tuple[int, table]]  # type: ignore[valid-type]
        self._to_rows = msgspec.json.Decoder(rows).decode
        self._to_numbered_rows = msgspec.json.Decoder(numbered_rows).decode

    def load(
        self, connection: sqlite3.Connection, keys: Sequence[Key[R]]
    ) -> Iterable[tuple[Key[R], R]]:
        """Return the rows that exist."""
        (found,) = connection.execute(self.load_sql, (_texts(keys),)).fetchone()
        return [(keys[number], row) for number, row in self._to_numbered_rows(found or "[]")]

    def put(self, connection: sqlite3.Connection, rows: Mapping[Key[R], R]) -> None:
        """Add rows, or replace those that have these keys."""
        bodies = {_text(key): row for key, row in rows.items()}
        connection.execute(self.put_sql, (_to_json(bodies).decode(),))

    def delete(self, connection: sqlite3.Connection, keys: Iterable[Key[R]]) -> None:
        """Remove the rows that have these keys."""
        connection.execute(self.delete_sql, (_texts(keys),))

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
        """Return up to `limit` rows with first <= key text < last, in that order or against it."""
        sql = self.scan_newest_first_sql if newest_first else self.scan_sql
        bounds = (partition, _without_nul(first), _without_nul(last), limit)
        (found,) = connection.execute(sql, bounds).fetchone()
        # SQLite keeps the order here, but promises it for no aggregate.
        return sorted(self._to_rows(found or "[]"), key=lambda row: row.text, reverse=newest_first)


def _texts(keys: Iterable[Key[Any]]) -> str:
    return _to_json([_text(key) for key in keys]).decode()


def _text(key: Key[Any]) -> str:
    return f"{key.partition:03d}{_without_nul(key.text)}"


def _without_nul(text: str) -> str:
    """Return another text for each text, in the same order, because SQLite cuts texts at NUL."""
    return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")
