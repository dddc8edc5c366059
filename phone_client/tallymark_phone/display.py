"""What the customer reads: the parts that every view is made of, and the same things as JSON.

Colours appear on a terminal only. Text from others, such as a merchant's name, is shown without its
control characters, which could otherwise repaint the screen.
"""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime

from rich.table import Table
from rich.text import Text

__all__ = ["add_row", "as_json", "local_time", "new_table", "plain"]


def plain(text: object) -> str:
    """Return the text with every character that does not print replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))


def as_json(value: object, *, is_one_line: bool = False) -> str:
    """Return values as JSON: fields by their names, times as in RFC 3339.

    A field that no repr shows, such as a secret, stands in no JSON either.
    """

    def unfold(part: object) -> object:
        if isinstance(part, datetime):
            return part.isoformat()
        if is_dataclass(part) and not isinstance(part, type):
            return {field.name: getattr(part, field.name) for field in fields(part) if field.repr}
        message = f"{type(part).__name__} has no form in JSON"
        raise TypeError(message)

    return json.dumps(value, default=unfold, indent=None if is_one_line else 2)


def local_time(time: datetime | None) -> str:
    """Return a time by the clock on the customer's wall, "" for none."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else ""


def new_table(title: str, *columns: str) -> Table:
    """Return a table without rows."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        # Ids are copied from here, so they must not be cut.
        table.add_column(column, overflow="fold")
    return table


def add_row(table: Table, *cells: object) -> None:
    """Add a row of texts as they are: none of them is markup."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in cells))
