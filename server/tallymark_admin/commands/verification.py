"""`audit verify` checks the whole journal against checkpoints that were kept elsewhere."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.checkpoints import AuditKey, checkpoint_of_server, read_checkpoints
from tallymark_admin.commands.shared import example
from tallymark_admin.journal_check import CheckedJournal, Problem, check_file, check_pages
from tallymark_admin.progress import progress_bar
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.terminal_text import printable
from tallymark_protocol.checkpoint import Checkpoint, ShortCheckpoint
from tallymark_protocol.checkpoint_messages import ReceivedCheckpoint

__all__ = ["verify"]

_WITHOUT_CHECKPOINT: Final = (
    "No checkpoint was given, so nobody can tell whether the end of the journal was cut off, or"
    " written anew from some entry on: whoever can write the journal can do that unseen. Make one"
    " with `tallymark-admin audit checkpoint --out FILE`, and keep it away from the server."
)


@click.command(
    epilog=example(
        "audit verify --checkpoint 2026-11-23.checkpoint",
        "audit verify --journal journal.jsonl"
        " --checkpoint tmc1:0:1234:9f86d081884c7d659a2feaa0c55ad015",
    )
)
@click.option(
    "--journal",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Check this file of `audit export`, without any server. Left out: what the server lists.",
)
@click.option(
    "--checkpoint",
    "texts",
    metavar="TEXT|FILE",
    multiple=True,
    help="A checkpoint that was kept elsewhere: in short (tmc1:...), as receipts have it, or a"
    " file with one. May be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@pass_admin
def verify(admin: Admin, *, path: Path | None, texts: Sequence[str], as_json: bool) -> None:
    """Check that no entry of the journal was changed, removed or put elsewhere.

    Every entry is tied to all before it, but whoever can write the journal can tie them anew. So it
    is to be believed as far as the last checkpoint that was kept elsewhere. When something is
    wrong, the exit code is 1, and it is told with which entry.
    """
    evidence = _Evidence(AuditKey(admin.home.path))
    try:
        for text in texts:
            evidence.take(*read_checkpoints(text))
        if path is not None:
            checked = check_file(path, evidence.checkpoints)
        else:
            checked = admin.ask(lambda connection: _check_server(connection, evidence))
    except ValueError as error:
        message = f"{error}."
        raise click.BadParameter(message, param_hint="--checkpoint") from error
    problems = [*evidence.problems, *checked.problems]
    if as_json:
        _print_json(checked, evidence, problems)
    else:
        _print_words(checked, evidence, problems)
    if not texts:
        click.secho(_WITHOUT_CHECKPOINT, fg="yellow", err=True)
    if problems:
        click.get_current_context().exit(exit_codes.REFUSED)


class _Evidence:
    """The checkpoints to hold a journal against, and what is wrong with others that were given."""

    def __init__(self, key: AuditKey) -> None:
        self.key = key
        self.checkpoints: list[Checkpoint | ShortCheckpoint] = []
        self.problems: list[Problem] = []

    def take(self, *given: ReceivedCheckpoint | ShortCheckpoint) -> None:
        """Take signed ones only with the right signature; in short they have none."""
        for each in given:
            if isinstance(each, ShortCheckpoint):
                self.checkpoints.append(each)
            elif objection := self.key.objection_to(each):
                place = f"checkpoint {each.checkpoint}"
                self.problems.append(Problem(place=place, fault="signature", text=objection))
            else:
                self.checkpoints.append(each.checkpoint)


async def _check_server(connection: OperatorConnection, evidence: _Evidence) -> CheckedJournal:
    """Check what the server lists, also against what it signs at this moment."""
    signed = checkpoint_of_server(await connection.checkpoint())
    now = _Evidence(evidence.key)
    now.take(signed)
    evidence.problems.extend(now.problems)
    with progress_bar() as progress:
        task = progress.add_task("Checking", total=signed.checkpoint.sequence)
        return await check_pages(
            connection.lists.journal_lines(after_sequence=0),
            [*evidence.checkpoints, *now.checkpoints],
            report=lambda count: progress.advance(task, count),
        )


def _print_json(checked: CheckedJournal, evidence: _Evidence, problems: Sequence[Problem]) -> None:
    row = {
        "entries": checked.entries,
        "erased": checked.erased,
        "erased_to": checked.erased_to,
        "end": str(checked.end) if checked.end else None,
        "checkpoints": [str(each) for each in evidence.checkpoints],
        "problems": [asdict(problem) for problem in problems],
        "is_good": not problems,
    }
    click.echo(json.dumps(row, indent=2))


def _print_words(checked: CheckedJournal, evidence: _Evidence, problems: Sequence[Problem]) -> None:
    for problem in problems:
        click.echo(printable(f"{problem.place}: {problem.fault}: {problem.text}."))
    if problems:
        click.echo(f"{checked.entries} entries were read. The journal is NOT as it was written.")
        return
    click.echo(f"{checked.entries} entries, without a gap, each tied to the one before.")
    if checked.erased:
        click.echo(
            f"What {checked.erased} of them told was erased, up to entry {checked.erased_to};"
            " their hashes are in the chain."
        )
    sequences = sorted(checkpoint.sequence for checkpoint in evidence.checkpoints)
    if len(sequences) == 1:
        click.echo(f"They fit the checkpoint of entry {sequences[0]}.")
    elif sequences:
        click.echo(
            f"They fit all {len(sequences)} checkpoints, up to that of entry {sequences[-1]}."
        )
    if checked.end is not None:
        click.echo(f"They end with {checked.end}.")
