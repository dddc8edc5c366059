"""`init` makes this user an operator; `operators` makes others."""

import ipaddress
from pathlib import Path

import click

from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.commands.shared import Identifier, code_file_option, example, hand_out_code
from tallymark_admin.credentials import (
    Credentials,
    has_credentials,
    request_id_of_enrolment,
    write_credentials,
)
from tallymark_admin.server_address import ServerAddress

__all__ = ["init", "operators"]


@click.command(
    epilog=example(
        "init --server 127.0.0.1:7421 --enrolment-code-file data/operator-enrolment-code"
    )
)
@click.option(
    "--server",
    type=ServerAddress(),
    required=True,
    help="Address of the server's operator port. Later commands use it, too.",
)
@click.option(
    "--enrolment-code-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="File with the one-time code. A new server writes the first one to its data folder.",
)
@pass_admin
def init(admin: Admin, server: str, enrolment_code_file: Path) -> None:
    """Exchange a one-time code for the secret of an operator.

    The secret is stored in your own folder, readable by you alone. When no answer arrives, run the
    same command again: the code is still good for you.
    """
    if has_credentials(admin.home):
        message = f"{admin.home} belongs to an operator already. Choose another folder with --home."
        raise click.UsageError(message)
    code = enrolment_code_file.read_bytes().decode("ascii", errors="replace").strip()
    if not code:
        message = f"{enrolment_code_file} is empty."
        raise click.BadParameter(message, param_hint="--enrolment-code-file")
    if not _is_loopback(server):
        click.echo("Warning: the connection is not encrypted. Use a tunnel.", err=True)
    request_id = request_id_of_enrolment(admin.home, enrolment_code=code)
    operator_id, operator_secret = admin.ask_as(
        lambda connection: connection.enrol(request_id=request_id, enrolment_code=code),
        server=server,
        operator_secret="",
    )
    write_credentials(
        admin.home,
        Credentials(server=server, operator_id=operator_id, operator_secret=operator_secret),
    )
    click.echo(f"You are operator {operator_id} of {server}.")


@click.group()
def operators() -> None:
    """Let other people run this server, too."""


@operators.command(epilog=example("operators create night-shift --code-file night-shift.code"))
@click.argument("operator_id", type=Identifier())
@code_file_option
@pass_admin
def create(admin: Admin, operator_id: str, code_file: Path | None) -> None:
    """Create another operator and hand out the one-time code for their `init`."""
    code = admin.ask(lambda connection: connection.create_operator(operator_id))
    hand_out_code(code, owner=f"operator {operator_id}", code_file=code_file)


def _is_loopback(server: str) -> bool:
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
