"""`backup` copies the database while it is served; `recovery` tells what a restore has lost."""

import click

from tallymark_admin import listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import example, list_options
from tallymark_admin.plain import Row
from tallymark_admin.tables import print_pairs

__all__ = ["backup", "recovery"]


@click.command("backup", epilog=example("backup 2026-11-23"))
@click.argument("name")
@pass_admin
def backup(admin: Admin, name: str) -> None:
    """Copy the database while the server serves, and check the copy.

    NAME is a file in the folder `backups` of the server's data, for small letters, digits, points
    and hyphens. One that is there already is only checked. The folder of keys is not in it: keep a
    copy of that elsewhere.
    """
    facts = admin.ask(lambda connection: connection.backup(name))
    words = "was there already, and is good" if facts["already_there"] else "is made and checked"
    click.echo(f"The backup {words}: {facts['path']}")
    click.echo(
        f"It has {facts['size_bytes']} bytes, and the journal up to entry {facts['sequence']},"
        f" decided {facts['decided_at'] or 'never'}."
    )


@click.group()
def recovery() -> None:
    """See what a restored database has lost, and finish with it."""


@recovery.command("status", epilog=example("recovery status"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_admin
def status(admin: Admin, *, as_json: bool) -> None:
    """Tell whether a recovery is open, and which terminals have reported what they sold."""
    answer = admin.ask(lambda connection: connection.recovery())
    found, terminals = answer["recovery"], answer["terminals"]
    if as_json:
        print_pairs(answer, as_json=True)
    elif isinstance(found, dict) and isinstance(terminals, list):
        print_pairs(found, as_json=False)
        for terminal in terminals:
            assert isinstance(terminal, dict), "a message of the contract"
            click.echo(_terminal_line(terminal))
    else:
        click.echo("This database was never restored.")


@recovery.command("sales", epilog=example("recovery sales"))
@list_options()
@pass_admin
def sales(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List the sales that terminals have reported, with what could not be applied."""
    admin.show(
        listings.REPORTED_SALES, lambda lists: lists.reported_sales(), as_json=as_json, limit=limit
    )


@recovery.command(
    "finish",
    epilog=example(
        'recovery finish 5f0c6c53c8a04f0c8f0a3e6d2b7c9d10 --note "till-3 was not in use"'
    ),
)
@click.argument("recovery_id")
@click.option("--note", required=True, help="Why, for the record; at most 500 characters.")
@pass_admin
def finish(admin: Admin, recovery_id: str, note: str) -> None:
    """Let what was frozen be used again.

    What a terminal sold and has not reported may be spent a second time from now on. See `recovery
    status` before.
    """
    admin.ask(lambda connection: connection.finish_recovery(recovery_id, note=note))
    click.echo("The recovery is finished: tickets, bills and points may be used again.")


def _terminal_line(terminal: Row) -> str:
    reported_at = terminal["reported_at"]
    if not reported_at:
        return f"{terminal['terminal_id']}: has not reported"
    return (
        f"{terminal['terminal_id']}: reported {terminal['sales']} lost sales at {reported_at},"
        f" {terminal['problems']} with problems"
    )
