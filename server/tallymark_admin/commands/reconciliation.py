"""The command that compares a day's charges with the credit institution's own list."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import click

from tallymark_admin import exit_codes, listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import example
from tallymark_admin.plain import Plain, Row
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.tables import amount_of, print_json, print_table

__all__ = ["reconcile"]

_NOTHING: Final = "nothing"


@click.command(epilog=example("reconcile --day 2026-11-23"))
@click.option(
    "--day",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    required=True,
    help="Day to compare, in UTC.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@pass_admin
def reconcile(admin: Admin, *, day: datetime, as_json: bool) -> None:
    """Compare a day's charges with the credit institution's own list.

    Prints where the two differ. What the server still works at is under way: look again later. The
    exit code is 1 if there are differences that do not end by themselves.
    """

    async def work(connection: OperatorConnection) -> Row:
        answer = await connection.reconcile_day(day.replace(tzinfo=UTC))
        rows = _rows(answer["differences"])
        await (print_json(rows) if as_json else print_table(listings.DIFFERENCES, rows))
        return answer

    answer = admin.ask(work)
    click.echo(
        f"{answer['compared']} charges compared: {answer['lasting']} differ,"
        f" {answer['under_way']} are under way.",
        err=True,
    )
    here, there = _sums(answer["sums_here"]), _sums(answer["sums_there"])
    click.echo(f"Held or taken: {here} here, {there} at the institution.", err=True)
    if answer["lasting"]:
        click.get_current_context().exit(exit_codes.REFUSED)


async def _rows(differences: Plain) -> AsyncIterator[Row]:
    for row in differences if isinstance(differences, list) else []:
        if isinstance(row, dict):
            yield row


def _sums(amounts: Plain) -> str:
    shown = map(amount_of, amounts if isinstance(amounts, list) else [])
    return " + ".join(shown) or _NOTHING
