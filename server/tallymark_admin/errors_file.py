"""The CSV file of bad lines: what was wrong with each, then its fields, ready to be corrected."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tallymark_admin.imports import BadLine
from tallymark_admin.sheets import ADVICE_COLUMNS, Sheet, WrongSheet, split_line

__all__ = ["ErrorsFile"]


class ErrorsFile:
    """Writes bad lines in the form of their sheet. Without bad lines only the header is written.

    The columns of advice come first: so a line with too many or too few fields stays as it was.
    """

    def __init__(self, path: Path, *, sheet: Sheet) -> None:
        """Open the file, replacing what it held, and write the header.

        Raises:
            OSError: the file cannot be written.

        """
        self._delimiter = sheet.delimiter
        self._advice_places = {
            place for place, name in enumerate(sheet.column_names) if name in ADVICE_COLUMNS
        }
        encoding = "utf-8-sig" if sheet.has_byte_order_mark else "utf-8"
        self._file = path.open("w", encoding=encoding, newline="")
        self._writer = csv.writer(self._file, delimiter=sheet.delimiter)
        self._writer.writerow([*ADVICE_COLUMNS, *self._without_advice(sheet.column_names)])

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def write(self, bad: BadLine) -> None:
        """Write one bad line."""
        try:
            fields = split_line(bad.line.text, delimiter=self._delimiter)
        except WrongSheet:
            fields = [bad.line.text]
        else:
            fields = self._without_advice(fields)
        self._writer.writerow([str(bad.line.number), bad.column, bad.advice, *fields])

    def _without_advice(self, fields: Sequence[str]) -> list[str]:
        return [field for place, field in enumerate(fields) if place not in self._advice_places]
