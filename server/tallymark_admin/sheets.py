"""CSV files: from bytes to lines of cells, forgiving in form and exact about what is wrong.

A line of the file is a line of the table: a field may hold delimiters and doubled quotes when it is
quoted, but no line break. So a forgotten quote spoils its own line and none of the next.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tallymark_admin.forms import Column

__all__ = ["ADVICE_COLUMNS", "Sheet", "SheetLine", "WrongSheet", "read_sheet", "split_line"]

ADVICE_COLUMNS: Final = ("error_line", "error_column", "error")
"""Columns that an errors file adds; they are skipped when it is imported."""

_NAMES_SHOWN: Final = 10
_NAME_CHARACTERS_SHOWN: Final = 40

_DELIMITERS: Final = (",", ";", "\t")
_LINE_BREAK: Final = re.compile(r"\r\n|\n|\r")


class WrongSheet(ValueError):
    """The file as a whole cannot be imported. The message says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetLine:
    """A line of a sheet that is not empty."""

    number: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A file whose header was understood."""

    delimiter: str
    column_names: tuple[str, ...]
    lines: tuple[SheetLine, ...]
    has_byte_order_mark: bool

    def cells_of(self, line: SheetLine) -> dict[str, str]:
        """Return the cells of a line by column.

        Raises:
            WrongSheet: its quotes or its number of fields are wrong.

        """
        fields = split_line(line.text, delimiter=self.delimiter)
        surplus = fields[len(self.column_names) :]
        if len(fields) < len(self.column_names) or any(field.strip() for field in surplus):
            message = (
                f"Give it {len(self.column_names)} fields as the header has; it has {len(fields)}."
                " Quote a field that contains the delimiter."
            )
            raise WrongSheet(message)
        return dict(zip(self.column_names, fields, strict=False))


def read_sheet(content: bytes, *, columns: Sequence[Column]) -> Sheet:
    """Read a file: UTF-8 with or without byte order mark; commas, semicolons or tabs.

    Raises:
        WrongSheet: not UTF-8, empty, or with a header that does not fit.

    """
    lines = list(_lines_of(_decode(content)))
    if not lines:
        message = f"The file is empty. {_expectation(columns)}"
        raise WrongSheet(message)
    header, *others = lines
    delimiter, names = _read_header(header.text, columns=columns)
    _check_header(names, columns=columns, number=header.number)
    return Sheet(
        delimiter=delimiter,
        column_names=names,
        lines=tuple(others),
        has_byte_order_mark=content.startswith(codecs.BOM_UTF8),
    )


def split_line(text: str, *, delimiter: str) -> list[str]:
    """Return the fields of one line.

    Raises:
        WrongSheet: a quote is not closed, or text follows a closing quote.

    """
    try:
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        message = "Correct the quotes: close each one on its line, and double one inside a field."
        raise WrongSheet(message) from error


def _decode(content: bytes) -> str:
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        message = f"Line {number} is not UTF-8. Save the file as UTF-8 CSV and import it again."
        raise WrongSheet(message) from error


def _lines_of(text: str) -> Iterator[SheetLine]:
    blank = "".join(_DELIMITERS) + " "
    for number, line in enumerate(_LINE_BREAK.split(text), start=1):
        if line.strip(blank):
            yield SheetLine(number=number, text=line)


def _read_header(text: str, *, columns: Sequence[Column]) -> tuple[str, tuple[str, ...]]:
    """Take the delimiter that finds most of the known names."""
    known = {column.name for column in columns}
    readings = [(delimiter, _names(text, delimiter=delimiter)) for delimiter in _DELIMITERS]
    return max(readings, key=lambda reading: len(known.intersection(reading[1])))


def _names(text: str, *, delimiter: str) -> tuple[str, ...]:
    try:
        names = [name.strip().lower() for name in split_line(text, delimiter=delimiter)]
    except WrongSheet:
        return ()
    while names and not names[-1]:  # spreadsheets leave empty columns at the end
        names.pop()
    return tuple(names)


def _check_header(names: tuple[str, ...], *, columns: Sequence[Column], number: int) -> None:
    known = {column.name for column in columns} | set(ADVICE_COLUMNS)
    problems = {
        "missing": [c.name for c in columns if c.is_required and c.name not in names],
        "not known": [_shown(name) for name in names if name not in known],
        "twice": sorted({_shown(name) for name, count in Counter(names).items() if count > 1}),
    }
    found = [
        f"{what}: {', '.join(which[:_NAMES_SHOWN])}" for what, which in problems.items() if which
    ]
    if found:
        problem = f"The header in line {number} is wrong ({'; '.join(found)})."
        message = f"{problem} {_expectation(columns)}"
        raise WrongSheet(message)


def _shown(name: str) -> str:
    """Return a name of a column as a message shows it: a file of something else has long ones."""
    return name[:_NAME_CHARACTERS_SHOWN] or "(no name)"


def _expectation(columns: Sequence[Column]) -> str:
    required = ", ".join(column.name for column in columns if column.is_required)
    optional = ", ".join(column.name for column in columns if not column.is_required)
    sentence = f"The first line names the columns: {required}"
    return f"{sentence}; if wanted also {optional}." if optional else f"{sentence}."
