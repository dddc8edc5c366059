"""`init` makes this user an operator; `status` tells who that is, and keeps the certificate new."""

import asyncio
import hashlib
from pathlib import Path

import click

from tallymark_admin.advice import add_advice
from tallymark_admin.app import Admin, pass_admin
from tallymark_admin.calls import open_channel
from tallymark_admin.commands.shared import example
from tallymark_admin.identity import Operator
from tallymark_admin.plain import Row
from tallymark_admin.server_address import ServerAddress, with_port
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.tables import print_pairs
from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_protocol.errors import TallymarkError, UnknownOutcome

__all__ = ["init", "status"]


def _existing_file() -> click.Path:
    return click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    epilog=example(
        "init --server 127.0.0.1:7420 --enrolment-code-file data/operator-enrolment-code"
    )
)
@click.option(
    "--server",
    type=ServerAddress(),
    required=True,
    help="Address that everybody is told, that of phones. The answer names the port of operators.",
)
@click.option(
    "--enrolment-code-file",
    type=_existing_file(),
    help="File with the one-time code and the certificate of the server's authority. A new server"
    " writes the first one to its data folder. Left out: the code is asked for.",
)
@click.option(
    "--ca-file",
    type=_existing_file(),
    help="Certificates in PEM of the authorities to trust, where the code comes without them, as"
    " a typed one does. The server keeps them in ca.pem in its data folder.",
)
@click.option(
    "--replace",
    "replaces",
    is_flag=True,
    help="Give up the identity that is stored here, because it expired or was revoked.",
)
@pass_admin
def init(
    admin: Admin,
    server: str,
    enrolment_code_file: Path | None,
    ca_file: Path | None,
    *,
    replaces: bool,
) -> None:
    """Exchange a one-time code for the certificate of an operator.

    The key is made here and never leaves your own folder, which nobody else can read. When no
    answer arrives, run the same command again: the code is still good for you.
    """
    if admin.home.has_operator and not replaces:
        message = (
            f"{admin.home.path} belongs to an operator already. Choose another folder with --home,"
            " or give that identity up with --replace."
        )
        raise click.UsageError(message)
    code = _read_code(enrolment_code_file, ca_file)
    with admin.home.lock():
        operator = asyncio.run(_enrol(admin, code, server=server))
    click.echo(f"You are operator {operator.operator_id} of {operator.server}.")


@click.command(epilog=example("status", "status --json"))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@pass_admin
def status(admin: Admin, *, as_json: bool) -> None:
    """Show who you are, at which server, and until when.

    The server is asked whether it knows you, so the certificate is renewed if it is time. Run this
    every day, and it never expires.
    """
    error: TallymarkError | None = None
    is_accepted: bool | None = True
    try:
        admin.ask(lambda connection: connection.policy())
    except TallymarkError as failed:
        error = failed
        is_accepted = None if isinstance(error, UnknownOutcome) else False
    operator = admin.home.operator()
    row: Row = {
        "operator_id": operator.operator_id,
        "server": admin.server or operator.server,
        "certificate_renewed_from": f"{operator.renew_at:%Y-%m-%dT%H:%M:%SZ}",
        "certificate_expires_at": f"{operator.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "home": str(admin.home.path.absolute()),
        "is_accepted": is_accepted,
    }
    print_pairs(row, as_json=as_json)
    if error is not None:
        raise error


def _read_code(path: Path | None, ca_file: Path | None) -> EnrolmentFile:
    """Read the code from its file, or from the keyboard without showing it."""
    text = (
        click.prompt("Enrolment code", hide_input=True, err=True)
        if path is None
        else path.read_bytes().decode("ascii", errors="replace")
    )
    try:
        code = EnrolmentFile.parse(text)
    except ValueError as error:
        message = f"{path} holds no enrolment code." if path else "That is no enrolment code."
        raise click.BadParameter(message, param_hint="--enrolment-code-file") from error
    if ca_file is None:
        return code
    return EnrolmentFile(
        enrolment_code=code.enrolment_code,
        ca_certificates_pem=ca_file.read_bytes().decode("ascii", errors="replace"),
    )


async def _enrol(admin: Admin, code: EnrolmentFile, *, server: str) -> Operator:
    fingerprint = hashlib.sha256(code.enrolment_code.encode()).hexdigest()
    request = admin.home.request_for(f"enrolment with {fingerprint}")
    try:
        async with open_channel(server, ca_certificates_pem=code.ca_certificates_pem) as channel:
            enrolment = await OperatorConnection(channel).enrol(
                request, enrolment_code=code.enrolment_code
            )
    except TallymarkError as error:
        add_advice(error)
        raise
    return admin.home.adopt(
        request,
        enrolment.certificate,
        server=with_port(server, enrolment.operator_port),
        operator_id=enrolment.operator_id,
    )
