"""Commands that look at what happened, and settle what needs a person."""

import click

from tallymark_admin import listings
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import example, list_options
from tallymark_admin.open_questions import waits_for_institution
from tallymark_admin.server_connection import OperatorConnection

__all__ = ["journal", "processes", "unresolved"]

NEWEST_SHOWN = 100
"""Rows that a list which grows with every sale shows unless asked for more."""


@click.group()
def processes() -> None:
    """List what scans have set off."""


@processes.command("list", epilog=example("processes list --limit 20"))
@list_options(limit=NEWEST_SHOWN)
@pass_admin
def list_processes(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List processes, newest first."""
    admin.show(listings.PROCESSES, lambda lists: lists.processes(), as_json=as_json, limit=limit)


@click.group(invoke_without_command=True)
@click.pass_context
def unresolved(context: click.Context) -> None:
    """List and settle processes that wait for a person.

    Without a command it lists them: why each waits, what the institution said, and what to do next.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_unresolved, as_json=False, limit=0)


@unresolved.command("list", epilog=example("unresolved list"))
@list_options()
@pass_admin
def list_unresolved(admin: Admin, *, as_json: bool, limit: int) -> None:
    """List processes that are overdue, contested, disputed or not settled."""
    admin.show(
        listings.UNRESOLVED,
        lambda lists: lists.unresolved_processes(),
        as_json=as_json,
        limit=limit,
    )


@unresolved.command(
    "settle",
    epilog=example(
        "unresolved settle 00018f3c5a7e4b2d9c6f1e8a7b3d5c9f01 executed "
        '--note "Till roll shows it as paid"'
    ),
)
@click.argument("process_id")
@click.argument("settlement", type=click.Choice(["executed", "not-executed", "try-again"]))
@click.option("--note", required=True, help="Why, for the record; at most 500 characters.")
@pass_admin
def settle(admin: Admin, process_id: str, settlement: str, note: str) -> None:
    """Settle a process that waits, by what was really done. Repeating it changes nothing.

    An overdue or contested process becomes COMPLETED if it was executed, else RELEASED. One that
    has ended keeps its state: executed says that its money moved as it should, not-executed that it
    went back, and try-again has the institution told once more, as after an outage. The note is
    kept with the process, and its hash in the journal.
    """
    process = admin.ask(
        lambda connection: connection.settle_process(process_id, settlement=settlement, note=note)
    )
    click.echo(f"Process {process_id} is {process['state']}.")


@unresolved.command("try-again", epilog=example('unresolved try-again --note "The bank is back"'))
@click.option("--note", required=True, help="Why, for the record; at most 500 characters.")
@pass_admin
def try_again(admin: Admin, note: str) -> None:
    """Have the institution told once more about all that waits for it, as after an outage."""

    async def work(connection: OperatorConnection) -> int:
        waiting = [
            str(process["process_id"])
            async for process in connection.lists.unresolved_processes()
            if waits_for_institution(process)
        ]
        for process_id in waiting:
            await connection.settle_process(process_id, settlement="try-again", note=note)
        return len(waiting)

    click.echo(f"Processes about which the institution is told again: {admin.ask(work)}.")


@click.group()
def journal() -> None:
    """Read the append-only record of what was decided."""


@journal.command("list", epilog=example("journal list --after 1200 --limit 50 --json"))
@click.option(
    "--after",
    "after_sequence",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Start after the entry with this number.",
)
@list_options(limit=NEWEST_SHOWN)
@pass_admin
def list_journal(admin: Admin, *, after_sequence: int, as_json: bool, limit: int) -> None:
    """List entries of the journal, oldest first. With --json they carry what was recorded."""
    admin.show(
        listings.JOURNAL,
        lambda lists: lists.journal(after_sequence=after_sequence),
        as_json=as_json,
        limit=limit,
    )
