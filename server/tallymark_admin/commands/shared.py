"""What commands share: examples, options of lists, and how a one-time code is handed out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tallymark_admin import exit_codes
from tallymark_admin.cells import BadCell, Cells
from tallymark_admin.private_files import create_private_file

__all__ = [
    "Identifier",
    "code_file_option",
    "example",
    "hand_out_code",
    "list_options",
    "refuse_taken_file",
]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def example(*lines: str) -> str:
    """Return an epilogue with commands as they are typed."""
    return "\n".join(("\b", "Example:", *(f"  tallymark-admin {line}" for line in lines)))


def list_options(*, limit: int = 0) -> Callable[[CommandT], CommandT]:
    """Add --json and --limit."""

    def decorate(command: CommandT) -> CommandT:
        command = click.option(
            "--limit",
            type=click.IntRange(min=0),
            default=limit,
            show_default=True,
            help="Most rows to show; 0: all.",
        )(command)
        return click.option(
            "--json", "as_json", is_flag=True, help="Print a JSON array with the whole rows."
        )(command)

    return decorate


class Identifier(click.ParamType[str]):
    """An id that the operator chooses."""

    name = "ID"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id, or fail."""
        try:
            return Cells({"id": value}, zone=None).id("id")
        except BadCell as error:
            self.fail(error.advice, param, ctx)


def code_file_option(command: CommandT) -> CommandT:
    """Add --code-file."""
    return click.option(
        "--code-file",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=refuse_taken_file,
        help="Write the one-time code to this new file, readable by you alone, and not to stdout.",
    )(command)


def refuse_taken_file(
    _context: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    """Refuse a file that exists, before the server is asked for anything."""
    if path is not None and path.exists():
        message = f"{path} exists already. Name a new file."
        raise click.BadParameter(message)
    return path


def hand_out_code(code: str, *, owner: str, code_file: Path | None) -> None:
    """Print the one-time code alone to stdout, or write it to a new file."""
    if not code:
        click.echo(f"{owner} has used its one-time code already; there is no other.", err=True)
        click.get_current_context().exit(exit_codes.REFUSED)
    if code_file is None:
        click.echo(f"One-time enrolment code of {owner}:", err=True)
        click.echo(code)
        return
    create_private_file(code_file, f"{code}\n")
    click.echo(f"The one-time enrolment code of {owner} is in {code_file}.", err=True)
