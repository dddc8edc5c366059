"""Shows rows: as a table for people, with colour on a terminal only, or as JSON for programs."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tallymark_admin.plain import Plain, Row
from tallymark_admin.terminal_text import printable
from tallymark_protocol.money import NotMoney, format_money

__all__ = [
    "TableColumn",
    "amount_of",
    "moment",
    "money",
    "print_json",
    "print_pairs",
    "print_table",
    "shown",
    "text",
]

_COLUMNS_OFF_TERMINAL: Final = 10_000
"""A file or a pipe has no width to fit into, so no cell is broken there."""

_STYLES: Final = {
    "OPEN": "yellow",
    "HELD": "yellow",
    "CREATED": "yellow",
    "PAID": "green",
    "ENROLLED": "green",
    "COMPLETED": "green",
    "INSTRUCTED": "cyan",
    "REVOKED": "red",
    "DECLINED": "red",
    "OVERDUE": "bold red",
    "CONTESTED": "bold red",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TableColumn:
    """A column of a table and how its cells are made from a row."""

    title: str
    cell: Callable[[Row], str]
    is_number: bool = False


def text(name: str, *, is_number: bool = False) -> TableColumn:
    """Show a field as it is; nothing when it is unset."""
    return TableColumn(title=name, cell=lambda row: shown(row[name]), is_number=is_number)


def money(name: str) -> TableColumn:
    """Show an amount such as 4.20 EUR."""
    return TableColumn(title=name, cell=lambda row: amount_of(row[name]), is_number=True)


def moment(name: str) -> TableColumn:
    """Show a time to the second, in UTC."""
    return TableColumn(title=name, cell=lambda row: _to_the_second(row[name]))


def amount_of(value: Plain) -> str:
    """Return an amount such as 4.20 EUR; nothing when it is unset."""
    if not isinstance(value, dict):
        return ""
    currency_code, minor_units = str(value["currency_code"]), int(str(value["minor_units"]))
    try:
        return format_money(minor_units, currency_code)
    except NotMoney:
        return f"{minor_units} {currency_code}".strip()


async def print_table(columns: Sequence[TableColumn], rows: AsyncIterator[Row]) -> int:
    """Print a table and return the number of its rows. Nothing is printed for none."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.is_number else "left", overflow="fold"
        )
    async for row in rows:
        cells = (printable(column.cell(row)) for column in columns)
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
    if table.row_count:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _COLUMNS_OFF_TERMINAL
        console.print(table)
    return table.row_count


async def print_json(rows: AsyncIterator[Row]) -> int:
    """Print an array with one row per line, each as soon as it is there; return their number."""
    count = 0
    async for row in rows:
        click.echo("[" if count == 0 else ",")
        click.echo(json.dumps(row), nl=False)
        count += 1
    click.echo("\n]" if count else "[]")
    return count


def print_pairs(row: Row, *, as_json: bool) -> None:
    """Print one row, a line per field or as a JSON object."""
    if as_json:
        click.echo(json.dumps(row, indent=2))
        return
    width = max(map(len, row))
    for name, value in row.items():
        click.echo(f"{name:{width}}  {printable(shown(value))}")


def shown(value: Plain) -> str:
    """Return a single value for people; nothing when it is unset."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _to_the_second(value: Plain) -> str:
    if value is None:
        return ""
    day_and_time, point, _ = str(value).partition(".")
    return f"{day_and_time}Z" if point else day_and_time
