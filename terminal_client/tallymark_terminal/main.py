"""The command `tallymark-terminal`.

Exit codes of every command:

    0  executed, admitted, held, or shown as asked
    1  refused, by the server or by the local check, or taken back
    2  wrong use: an option, the folder, a sale that the journal does not have
    3  the outcome is unknown; the journal keeps it, run `recover`
    4  no code was read
    5  no connection; nothing was sent
    6  the server does not accept this terminal: enrol it again
"""

from pathlib import Path

import click

from tallymark_terminal.app import open_terminal
from tallymark_terminal.command_line import home_option, json_option, patience_option, run
from tallymark_terminal.enrolment_commands import enrol, renew
from tallymark_terminal.home import HOME_VARIABLE, SERVER_VARIABLE, Home
from tallymark_terminal.journal import Stage
from tallymark_terminal.look_commands import checkpoints, journal, keys, status
from tallymark_terminal.sale_commands import complete, receipt, reverse, sale
from tallymark_terminal.sale_results import ExitCode
from tallymark_terminal.scan_command import scan
from tallymark_terminal.serve_lane_command import serve_lane
from tallymark_terminal.tag_command import tag

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tallymark-terminal")
@click.option(
    "--home",
    envvar=HOME_VARIABLE,
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with this terminal's key and journal; by default one of this user.",
)
@click.option(
    "--server",
    envvar=SERVER_VARIABLE,
    show_envvar=True,
    metavar="HOST:PORT",
    help="Where the server listens for terminals, if it has moved since the enrolment.",
)
def main(home: Path | None, server: str | None) -> None:
    """Run a till, gate or kiosk.

    Read a customer's code, ask the server what to do, show it, and report it.

    Exit codes: 0 executed or admitted; 1 refused, or taken back; 2 wrong use; 3 outcome unknown,
    run recover; 4 no code read; 5 no connection, nothing was sent; 6 the server does not accept
    this terminal, enrol it again.
    """


for _command in (
    enrol,
    renew,
    status,
    tag,
    scan,
    serve_lane,
    sale,
    receipt,
    complete,
    reverse,
    journal,
    keys,
    checkpoints,
):
    main.add_command(_command)


@main.command()
@home_option
@json_option
@patience_option
def recover(home: Home, patience_seconds: float, *, as_json: bool) -> None:
    """Settle every sale that was left open; those on hold stay."""
    run(_recover(home, as_json=as_json, patience_seconds=patience_seconds))


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
