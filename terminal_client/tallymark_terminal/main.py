"""The command `tallymark-terminal`.

Exit codes of every command:

    0  executed, admitted, held, or shown as asked
    1  refused, by the server or by the local check, or taken back
    2  wrong use: an option, the folder, a sale that the journal does not have
    3  the outcome is unknown; the journal keeps it, run `recover`
    4  no code was read
    5  no connection; nothing was sent
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome
from tallymark_terminal.app import build_display, build_request_ids, open_terminal
from tallymark_terminal.command_line import home_option, json_option, patience_option, run
from tallymark_terminal.home import HOME_VARIABLE, Home, HomeUnusable
from tallymark_terminal.journal import Journal, Stage
from tallymark_terminal.json_view import as_line, journal_view, value_view
from tallymark_terminal.plain_words import Words, error_words
from tallymark_terminal.sale_commands import complete, receipt, reverse, status
from tallymark_terminal.sale_results import EXIT_CODE_OF, ExitCode
from tallymark_terminal.scan_command import scan
from tallymark_terminal.scanning import not_sent
from tallymark_terminal.server_connection import ServerConnection

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tallymark-terminal")
@click.option(
    "--home",
    envvar=HOME_VARIABLE,
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with this terminal's secret and journal; by default one of this user.",
)
def main(home: Path | None) -> None:
    """Run a till, gate or kiosk.

    Read a customer's code, ask the server what to do, show it, and report it.

    Exit codes: 0 executed or admitted; 1 refused, or taken back; 2 wrong use; 3 outcome unknown,
    run recover; 4 no code read; 5 no connection, nothing was sent.
    """


main.add_command(scan)
main.add_command(status)
main.add_command(receipt)
main.add_command(complete)
main.add_command(reverse)


@main.command()
@home_option
@click.option("--server", required=True, metavar="HOST:PORT", help="Where the server listens.")
@click.option(
    "--code-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the enrolment code; else it is read from standard input or asked for.",
)
@click.option("--replace", is_flag=True, help="Replace the terminal that is enrolled here.")
def enrol(home: Home, server: str, code_file: Path | None, *, replace: bool) -> None:
    """Exchange the operator's one-time code for this terminal's secret."""
    if code_file is not None:
        code = code_file.read_text(encoding="utf-8").strip()
    elif sys.stdin.isatty():
        code = click.prompt("Enrolment code", hide_input=True).strip()
    else:
        code = sys.stdin.readline().strip()
    if not code:
        message = "the enrolment code is empty"
        raise click.UsageError(message)
    run(_enrol(home, server=server, code=code, replace=replace))


@main.command()
@home_option
@json_option
@patience_option
def recover(home: Home, patience_seconds: float, *, as_json: bool) -> None:
    """Settle every sale that was left open; those on hold stay."""
    run(_recover(home, as_json=as_json, patience_seconds=patience_seconds))


@main.command()
@home_option
@json_option
def keys(home: Home, *, as_json: bool) -> None:
    """Show the keys and the epoch that codes are checked with, and how this clock differs."""
    run(_keys(home, as_json=as_json))


@main.command()
@home_option
@json_option
@click.option("--count", default=20, show_default=True, type=click.IntRange(min=1))
def journal(home: Home, count: int, *, as_json: bool) -> None:
    """List the last sales as this terminal knows them, without asking the server."""
    run(_journal(home, count=count, as_json=as_json))


async def _enrol(home: Home, *, server: str, code: str, replace: bool) -> ExitCode:
    if not replace:
        try:
            identity = home.read_identity()
        except HomeUnusable:
            pass
        else:
            message = f"{identity.terminal_id} is enrolled in {home.path}; use --replace"
            raise HomeUnusable(message)
    display = build_display(as_json=False)
    request_id = home.enrolment_request_id(
        server=server, enrolment_code=code, new_id=build_request_ids().new()
    )
    async with ServerConnection(server, terminal_secret=None, steady=time.monotonic) as connection:
        try:
            enrolment = await connection.enrol(request_id=request_id, enrolment_code=code)
        except Refused as refused:
            click.echo(f"Error: {error_words(refused.reason)}", err=True)
            return ExitCode.REFUSED
        except UnknownOutcome as unknown:
            click.echo(f"No answer: run the same command again. {unknown.message}", err=True)
            return ExitCode.OUTCOME_UNKNOWN
    home.write_identity(enrolment, server=server)
    display.line(f"Enrolled {enrolment.terminal_id} of {enrolment.merchant_name}.")
    return ExitCode.DONE


async def _recover(home: Home, *, as_json: bool, patience_seconds: float) -> ExitCode:
    async with open_terminal(home, as_json=as_json, patience_seconds=patience_seconds) as terminal:
        with home.lock():
            exit_code = await terminal.scanning.start()
            if exit_code is not None:
                return exit_code
        left = await terminal.journal.open_sales()
        if not as_json:
            for sale in left:
                terminal.display.line(f"Still open: {sale.request_id} ({sale.stage})")
            if not left:
                terminal.display.line("Nothing is open.")
        is_unsettled = any(sale.stage is not Stage.HELD for sale in left)
        return ExitCode.OUTCOME_UNKNOWN if is_unsettled else ExitCode.DONE


async def _keys(home: Home, *, as_json: bool) -> ExitCode:
    async with open_terminal(home, as_json=as_json) as terminal:
        try:
            table = await terminal.check.keys()
        except TallymarkError as error:
            result = not_sent(error)
            terminal.display.result(result)
            return EXIT_CODE_OF[result.outcome]
        ahead_seconds = time.time() - terminal.clock.now_seconds()
        rows = [
            {
                "key_id": key.key_id,
                "public_key": key.public_key.public_bytes_raw().hex(),
                "valid_from_seconds": key.valid_from_seconds,
                "valid_until_seconds": key.valid_until_seconds,
            }
            for key in table.keys
        ]
        if as_json:
            view = {
                "terminal_id": terminal.identity.terminal_id,
                "merchant_id": terminal.identity.merchant_id,
                "epoch": table.epoch,
                "server_time": value_view(terminal.clock.now()),
                "own_clock_ahead_seconds": round(ahead_seconds, 3),
                "uncertainty_seconds": round(table.read_at.uncertainty_seconds, 6),
                "keys": rows,
            }
            terminal.display.json_line(json.dumps(view))
            return ExitCode.DONE
        words = Words()
        terminal.display.table(
            ("key", "valid from", "valid until", "public key"),
            [
                (
                    str(key.key_id),
                    words.time(datetime.fromtimestamp(key.valid_from_seconds, tz=UTC)),
                    words.time(datetime.fromtimestamp(key.valid_until_seconds, tz=UTC)),
                    key.public_key.public_bytes_raw().hex(),
                )
                for key in table.keys
            ],
        )
        terminal.display.line(f"Epoch {table.epoch}. Own clock ahead by {ahead_seconds:+.3f} s.")
        return ExitCode.DONE


async def _journal(home: Home, *, count: int, as_json: bool) -> ExitCode:
    display = build_display(as_json=as_json)
    home.read_identity()
    book = Journal(home.journal_path)
    try:
        sales = await book.latest(count)
    finally:
        book.close()
    views = [journal_view(sale) for sale in sales]
    if as_json:
        for view in views:
            display.json_line(as_line(view))
        return ExitCode.DONE
    columns = ("started_at", "stage", "outcome", "state", "request_id", "process_id")
    display.table(columns, [[str(view[name] or "-") for name in columns] for view in views])
    return ExitCode.DONE
