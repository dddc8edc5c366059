"""What commands share: examples, options of lists, and how what is good once is handed out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tallymark_admin import exit_codes
from tallymark_admin.app import Admin
from tallymark_admin.cells import BadCell, Cells
from tallymark_admin.private_files import create_private_file
from tallymark_protocol.enrolment_file import EnrolmentFile

__all__ = [
    "Identifier",
    "LoginName",
    "code_file_option",
    "example",
    "hand_out",
    "hand_out_code",
    "list_options",
    "new_file_option",
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


class LoginName(click.ParamType[str]):
    """The login name that a customer chose."""

    name = "LOGIN_NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail."""
        try:
            return Cells({"login_name": value}, zone=None).login_name("login_name")
        except BadCell as error:
            self.fail(error.advice, param, ctx)


def new_file_option(name: str, *, text: str) -> Callable[[CommandT], CommandT]:
    """Add an option that names a file which is not there yet."""
    return click.option(
        name,
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_refuse_taken_file,
        help=text,
    )


def code_file_option(command: CommandT) -> CommandT:
    """Add --code-file."""
    return new_file_option(
        "--code-file",
        text="Write the one-time code and the certificate of the server's authority to this new"
        " file, readable by you alone, and nothing to stdout.",
    )(command)


def _refuse_taken_file(
    _context: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    """Refuse a file that exists, before the server is asked for anything."""
    if path is not None and path.exists():
        message = f"{path} exists already. Name a new file."
        raise click.BadParameter(message)
    return path


def hand_out_code(admin: Admin, code: str, *, owner: str, code_file: Path | None) -> None:
    """Print the one-time code alone to stdout, or write it to a new file.

    The file also holds whom to trust: with it alone somebody can enrol.
    """
    if not code:
        click.echo(f"{owner} has used its one-time code already; there is no other.", err=True)
        click.get_current_context().exit(exit_codes.REFUSED)
    content = EnrolmentFile(
        enrolment_code=code, ca_certificates_pem=admin.ca_certificates() if code_file else ""
    )
    hand_out(content.to_text(), what=f"The one-time enrolment code of {owner}", path=code_file)


def hand_out(secret: str, *, what: str, path: Path | None) -> None:
    """Print a secret that is meant for somebody else alone to stdout, or write it to a new file."""
    if path is None:
        click.echo(f"{what}:", err=True)
        click.echo(secret)
    else:
        create_private_file(path, f"{secret}\n")
        click.echo(f"{what} is in {path}.", err=True)
