"""`audit` keeps evidence of the journal outside of the server."""

import json
from pathlib import Path
from typing import Any

import click

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.checkpoints import AuditKey, checkpoint_of_server
from tallymark_admin.commands.shared import example, new_file_option
from tallymark_admin.commands.verification import verify
from tallymark_admin.journal_file import JournalFile, WrongFile
from tallymark_admin.private_files import create_private_file
from tallymark_admin.progress import progress_bar
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.tables import print_pairs
from tallymark_protocol.checkpoint_messages import ReceivedCheckpoint

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Keep evidence of the journal, and check the journal against it."""


@audit.command("checkpoint", epilog=example("audit checkpoint --out 2026-11-23.checkpoint"))
@new_file_option("--out", text="Write the signed checkpoint to this new file, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the signed checkpoint as JSON.")
@pass_admin
def checkpoint(admin: Admin, *, out: Path | None, as_json: bool) -> None:
    """Get the server's signed word on its journal as it is now.

    As long as it is kept away from the server, no entry up to it can be changed, removed or put
    elsewhere unnoticed. The first one also brings the server's key for checkpoints. It is kept in
    your own folder, and later ones must be signed with it, too.
    """
    stored = admin.ask(lambda connection: connection.checkpoint())
    received = checkpoint_of_server(stored)
    text = json.dumps(stored, indent=2)
    if as_json:
        click.echo(text)
    else:
        _print(received, stored)
    key = AuditKey(admin.home.path)
    objection = key.objection_to(received)
    if received.is_genuine:
        key.keep(received.audit_key_hash)
        if out is not None:
            create_private_file(out, f"{text}\n")
    if objection:
        _warn(f"WARNING: {objection}.")
        _warn(
            "What answers is not the server that you know, or its folder of keys was replaced."
            f" Compare with other operators. The key that you know is in {key.path}."
        )
        click.get_current_context().exit(exit_codes.REFUSED)


@audit.command("export", epilog=example("audit export journal.jsonl"))
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@pass_admin
def export(admin: Admin, path: Path) -> None:
    """Write the whole journal to a file, one entry per line, as JSON.

    Run it again with the same file and it goes on where the file ends, also after an interruption.
    """
    try:
        with JournalFile(path) as file:
            before = file.last_sequence
            admin.ask(lambda connection: _export(connection, file))
            click.echo(f"{path}: {before} entries were there, {file.last_sequence - before} added.")
    except WrongFile as error:
        _warn(str(error))
        click.get_current_context().exit(exit_codes.REFUSED)


audit.add_command(verify)


def _print(received: ReceivedCheckpoint, stored: dict[str, Any]) -> None:
    print_pairs(
        {
            "checkpoint": str(received.checkpoint),
            "entries": received.checkpoint.sequence,
            "signed_at": stored["signedAt"],
            "audit_key_hash": received.audit_key_hash,
            "is_genuine": received.is_genuine,
        },
        as_json=False,
    )


def _warn(text: str) -> None:
    click.secho(text, fg="red", err=True)


async def _export(connection: OperatorConnection, file: JournalFile) -> None:
    total = checkpoint_of_server(await connection.checkpoint()).checkpoint.sequence
    with progress_bar() as progress:
        task = progress.add_task("Exporting", total=total, completed=file.last_sequence)
        async for page in connection.lists.journal_lines(after_sequence=file.last_sequence):
            file.append(page)
            progress.advance(task, len(page))
