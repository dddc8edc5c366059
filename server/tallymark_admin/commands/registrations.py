"""Commands for bills, tickets and points: add one, import a file, list all."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from tallymark_admin import exit_codes, listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.cells import BadCell, Cells
from tallymark_admin.commands.importing import AddRows, ImportCommand
from tallymark_admin.commands.shared import example, list_options
from tallymark_admin.forms import BILL_FORM, POINTS_FORM, TICKET_FORM, Column, Form
from tallymark_admin.plain import Row
from tallymark_admin.rows import RowResult
from tallymark_admin.server_lists import ServerLists
from tallymark_admin.server_rows import ServerRows
from tallymark_admin.tables import TableColumn

__all__ = ["bills", "points", "tickets"]

RowT = TypeVar("RowT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind(Generic[RowT]):
    """What differs between bills, tickets and points."""

    name: str
    summary: str
    form: Form[RowT]
    add_rows: AddRows[RowT]
    list_rows: Callable[[ServerLists], AsyncIterator[Row]]
    table: Sequence[TableColumn]
    list_summary: str
    example_options: str

    def group(self) -> click.Group:
        """Build the commands."""
        group = click.Group(self.name, help=self.summary)
        group.add_command(self._add_command())
        group.add_command(self._import_command())
        group.add_command(self._list_command())
        return group

    def _add_command(self) -> click.Command:
        @click.command(
            "add",
            help=f"Add one {self.form.noun}. Adding the same one again changes nothing.",
            epilog=example(f"{self.name} add {self.example_options}"),
        )
        @_time_zone_option(self.form)
        @pass_admin
        def add(admin: Admin, /, *, zone: tzinfo | None = None, **texts: str) -> None:
            try:
                row = self.form.read(Cells(texts, zone=zone))
            except BadCell as error:
                hint = _option_name(error.column)
                raise click.BadParameter(error.advice, param_hint=hint) from error
            (outcome,) = admin.ask(lambda connection: self.add_rows(connection.rows, [row]))
            if outcome.result is RowResult.REFUSED:
                click.echo(f"Refused: {outcome.message or outcome.reason}", err=True)
                click.get_current_context().exit(exit_codes.REFUSED)
            added = outcome.result is RowResult.ADDED
            click.echo("Added." if added else "Unchanged: it was there already.")

        add.params[:0] = [_option(column) for column in self.form.columns]
        return add

    def _import_command(self) -> click.Command:
        @click.command(
            "import",
            help=_import_help(self.form),
            epilog=example(f"{self.name} import {self.name}.csv --errors bad-{self.name}.csv"),
        )
        @click.argument("path", metavar="FILE", type=_existing_file())
        @click.option(
            "--errors",
            "errors_path",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the bad lines to this CSV file, to be corrected and imported.",
        )
        @click.option("--dry-run", "is_dry_run", is_flag=True, help="Check the form; send nothing.")
        @_time_zone_option(self.form)
        @pass_admin
        def import_file(
            admin: Admin,
            *,
            path: Path,
            errors_path: Path | None,
            is_dry_run: bool,
            zone: tzinfo | None = None,
        ) -> None:
            if errors_path is not None and errors_path.resolve() == path.resolve():
                message = "Name another file than the one that is imported."
                raise click.BadParameter(message, param_hint="--errors")
            ImportCommand(
                admin=admin,
                form=self.form,
                add_rows=self.add_rows,
                path=path,
                errors_path=errors_path,
                zone=zone,
                is_dry_run=is_dry_run,
            ).run()

        return import_file

    def _list_command(self) -> click.Command:
        @click.command("list", help=self.list_summary, epilog=example(f"{self.name} list --json"))
        @list_options()
        @pass_admin
        def list_all(admin: Admin, *, as_json: bool, limit: int) -> None:
            admin.show(self.table, self.list_rows, as_json=as_json, limit=limit)

        return list_all


def _import_help(form: Form[RowT]) -> str:
    """Return the help with every column."""
    width = max(len(name) for name in form.column_names)
    columns = "\n".join(
        f"  {column.name:{width}}  {'' if column.is_required else '(optional) '}{column.meaning}"
        for column in form.columns
    )
    return (
        f"Import a CSV file with a {form.noun} per line.\n\n"
        "Good lines are kept and each bad one is told with what to do; importing the file again"
        " changes nothing that is there. The file is UTF-8 with commas, semicolons or tabs."
        " Its first line names the columns, in any order:\n\n"
        f"\b\n{columns}"
    )


def _option_name(column: str) -> str:
    return "--" + column.replace("_", "-")


def _option(column: Column) -> click.Option:
    return click.Option(
        [_option_name(column.name), column.name],
        required=column.is_required,
        default=None if column.is_required else "",
        help=column.meaning,
    )


def _existing_file() -> click.Path:
    return click.Path(path_type=Path, exists=True, dir_okay=False)


def _read_zone(
    _context: click.Context, _parameter: click.Parameter, name: str | None
) -> tzinfo | None:
    if name is None:
        return None
    if name.upper() == "UTC":  # also where the system has no time zone database
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = "Write a name of the time zone database, for example Europe/Berlin or UTC."
        raise click.BadParameter(message) from error


def _time_zone_option(form: Form[RowT]) -> Callable[[CommandT], CommandT]:
    """Add --time-zone where it means something."""
    if not form.has_days:
        return lambda command: command
    return click.option(
        "--time-zone",
        "zone",
        metavar="ZONE",
        callback=_read_zone,
        envvar="TALLYMARK_ADMIN_TIME_ZONE",
        help="Zone in which a day without a time begins, for example Europe/Berlin."
        "  [env: TALLYMARK_ADMIN_TIME_ZONE]",
    )


bills = _Kind(
    name="bills",
    summary="Add, import and list what customers owe merchants.",
    form=BILL_FORM,
    add_rows=ServerRows.add_bills,
    list_rows=ServerLists.bills,
    table=listings.BILLS,
    list_summary="List bills by merchant and reference.",
    example_options=(
        "--merchant-id shop --bill-reference B-17 --login-name anna --amount 12.50"
        " --currency-code EUR"
    ),
).group()

tickets = _Kind(
    name="tickets",
    summary="Add, import and list rights to enter events.",
    form=TICKET_FORM,
    add_rows=ServerRows.add_tickets,
    list_rows=ServerLists.tickets,
    table=listings.TICKETS,
    list_summary="List tickets by event and reference.",
    example_options="--event-id concert --ticket-id A-0001 --login-name anna --place 'Row 4'",
).group()

points = _Kind(
    name="points",
    summary="Add, import and list points of customers.",
    form=POINTS_FORM,
    add_rows=ServerRows.add_points,
    list_rows=ServerLists.points_accounts,
    table=listings.POINTS_ACCOUNTS,
    list_summary="List points accounts by customer and programme.",
    example_options=(
        "--programme-id stamps --login-name anna --grant-reference welcome --points 100"
    ),
).group()
