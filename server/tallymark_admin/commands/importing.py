"""Runs an import from the command line: its progress, its bad lines and its result."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

import click
from rich.text import Text

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin
from tallymark_admin.errors_file import ErrorsFile
from tallymark_admin.forms import Form
from tallymark_admin.imports import BadLine, Counts, read_lines, run_import
from tallymark_admin.progress import progress_bar
from tallymark_admin.rows import RowOutcome
from tallymark_admin.server_rows import ServerRows
from tallymark_admin.sheets import Sheet, WrongSheet, read_sheet
from tallymark_admin.terminal_text import printable
from tallymark_protocol.errors import TallymarkError

__all__ = ["AddRows", "ImportCommand"]

VALUE_CHARACTERS_SHOWN: Final = 40

RowT = TypeVar("RowT")

AddRows = Callable[[ServerRows, Sequence[RowT]], Awaitable[Sequence[RowOutcome]]]
"""The call of the server that adds rows of one kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportCommand(Generic[RowT]):
    """One import of one file."""

    admin: Admin
    form: Form[RowT]
    add_rows: AddRows[RowT]
    path: Path
    errors_path: Path | None
    zone: tzinfo | None
    is_dry_run: bool

    def run(self) -> None:
        """Import the file, print what came of it, and leave with 1 when some lines are bad."""
        try:
            sheet = read_sheet(self.path.read_bytes(), columns=self.form.columns)
        except WrongSheet as error:
            click.echo(f"{self.path}: {error}", err=True)
            click.get_current_context().exit(exit_codes.REFUSED)
        counts = Counts()
        try:
            self._import(sheet, counts)
        except TallymarkError:
            self._tell_where_it_stopped(counts)
            raise
        click.echo(self._result(sheet, counts))
        if counts.bad:
            click.get_current_context().exit(exit_codes.REFUSED)

    def _import(self, sheet: Sheet, counts: Counts) -> None:
        with ExitStack() as stack:
            errors_file = None
            if self.errors_path is not None:
                errors_file = stack.enter_context(ErrorsFile(self.errors_path, sheet=sheet))
            progress = stack.enter_context(progress_bar())
            task = progress.add_task(f"Importing {self.path.name}", total=len(sheet.lines))

            def report(bad_lines: Sequence[BadLine]) -> None:
                for bad in bad_lines:
                    progress.console.print(Text(_told(bad, sheet)), soft_wrap=True)
                    if errors_file is not None:
                        errors_file.write(bad)
                progress.update(task, completed=counts.done)

            self._run(sheet, counts, report)

    def _run(
        self, sheet: Sheet, counts: Counts, report: Callable[[Sequence[BadLine]], None]
    ) -> None:
        run = partial(
            run_import,
            read_lines(sheet, form=self.form, zone=self.zone),
            form=self.form,
            report=report,
            counts=counts,
        )
        if self.is_dry_run:
            asyncio.run(run(add=None))
        else:
            self.admin.ask(lambda connection: run(add=partial(self.add_rows, connection.rows)))

    def _result(self, sheet: Sheet, counts: Counts) -> str:
        lines = f"{self.path}: {len(sheet.lines)} lines"
        if self.is_dry_run:
            return f"{lines}: {counts.checked} of the right form, {counts.bad} bad. Nothing sent."
        taken = f"{counts.added} added, {counts.unchanged} unchanged, {counts.bad} bad."
        return f"{lines}: {taken}"

    def _tell_where_it_stopped(self, counts: Counts) -> None:
        """Say what was taken; the error itself is told where all of them are."""
        taken = f"{counts.added} added, {counts.unchanged} unchanged, {counts.bad} bad"
        message = (
            f"The import stopped after line {counts.last_line}: {taken}."
            " Run it again for the rest; what was added stays as it is."
        )
        click.echo(message, err=True)


def _told(bad: BadLine, sheet: Sheet) -> str:
    """Return the number of the line, the column with what stands there, and what to do."""
    place = f"line {bad.line.number}"
    if bad.column:
        value = sheet.cells_of(bad.line).get(bad.column, "").strip()
        shortened = (
            f"{value[:VALUE_CHARACTERS_SHOWN]}..." if value[VALUE_CHARACTERS_SHOWN:] else value
        )
        place += f', {bad.column} "{shortened}"'
    return printable(f"{place}: {bad.advice}")
