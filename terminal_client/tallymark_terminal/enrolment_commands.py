"""The commands that make this computer a terminal and keep it one: enrol, renew."""

import hashlib
import sys
import time
from pathlib import Path

import click

from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome
from tallymark_terminal.app import build_display, build_request_ids, open_terminal
from tallymark_terminal.command_line import home_option, run
from tallymark_terminal.home import Home, HomeUnusable
from tallymark_terminal.plain_words import Words, error_words, unanswered_words
from tallymark_terminal.repeating import is_not_accepted
from tallymark_terminal.sale_results import ExitCode
from tallymark_terminal.server_connection import ServerConnection

__all__ = ["enrol", "renew"]

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@home_option
@click.option(
    "--server", required=True, metavar="HOST:PORT", help="Where the server listens for everybody."
)
@click.option(
    "--code-file",
    type=_file,
    help="Enrolment file of the operator; else it is read from standard input, or the code alone "
    "is asked for.",
)
@click.option(
    "--ca-file",
    type=_file,
    help="Certificates (PEM) of the authorities to trust, when the code comes without.",
)
@click.option("--replace", is_flag=True, help="Replace the terminal that is enrolled here.")
def enrol(
    home: Home, server: str, code_file: Path | None, ca_file: Path | None, *, replace: bool
) -> None:
    """Exchange the operator's one-time code for this terminal's certificate."""
    if not server.rpartition(":")[0]:
        message = "name the server as HOST:PORT"
        raise click.UsageError(message)
    try:
        given = EnrolmentFile.parse(_enrolment_text(code_file))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    trusted = ca_file.read_text(encoding="utf-8") if ca_file else given.ca_certificates_pem
    run(_enrol(home, given.enrolment_code, server=server, trusted=trusted, replace=replace))


@click.command()
@home_option
def renew(home: Home) -> None:
    """Get the next certificate now; every start does it when half of its life is over."""
    run(_renew(home))


def _enrolment_text(code_file: Path | None) -> str:
    if code_file is not None:
        return code_file.read_text(encoding="utf-8")
    if sys.stdin.isatty():
        return str(click.prompt("Enrolment code", hide_input=True))
    return sys.stdin.read()


async def _enrol(
    home: Home, enrolment_code: str, *, server: str, trusted: str, replace: bool
) -> ExitCode:
    if not replace:
        try:
            identity = home.read_identity()
        except HomeUnusable:
            pass
        else:
            message = f"{identity.terminal_id} is enrolled in {home.path}; use --replace"
            raise HomeUnusable(message)
    # Another code or server is another enrolment; the code itself is not written down.
    fingerprint = hashlib.sha256(f"{server}\n{enrolment_code}".encode()).hexdigest()
    files = home.identity_files
    attempt = files.attempt(f"enrol {fingerprint}", new_id=build_request_ids().new())
    async with ServerConnection(
        server, ca_certificates_pem=trusted, identity=None, steady=time.monotonic
    ) as connection:
        try:
            enrolment = await connection.enrol(attempt, enrolment_code=enrolment_code)
        except TallymarkError as error:
            if isinstance(error, Refused):
                files.forget(attempt)
            return _tell_failure(error)
    host, _, _ = server.rpartition(":")
    files.keep_enrolment(attempt, enrolment, server=f"{host}:{enrolment.terminal_port}")
    build_display(as_json=False).line(
        f"Enrolled {enrolment.terminal_id} of {enrolment.merchant_name}."
    )
    return ExitCode.DONE


async def _renew(home: Home) -> ExitCode:
    async with open_terminal(home, as_json=False) as terminal:
        try:
            identity = await terminal.renewal.renew()
        except TallymarkError as error:
            return _tell_failure(error)
        until = Words().time(identity.certificate.expires_at)
        terminal.display.line(f"Renewed. The certificate is good until {until}.")
        return ExitCode.DONE


def _tell_failure(error: TallymarkError) -> ExitCode:
    """Say what is to be done next; the request is kept, so that the same command repeats it."""
    if isinstance(error, UnknownOutcome):
        click.echo(f"No answer. {unanswered_words(error.reason)}", err=True)
        click.echo(f"Run the same command again. ({error.message})", err=True)
        return ExitCode.OUTCOME_UNKNOWN
    click.echo(f"Error: {error_words(error.reason)}", err=True)
    return ExitCode.NOT_ACCEPTED if is_not_accepted(error) else ExitCode.REFUSED
