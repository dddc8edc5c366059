"""The command `tallymark-terminal scan`: read codes, and make a sale of each."""

import re
from pathlib import Path
from typing import Unpack

import click

from tallymark_protocol.money import NotMoney
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.app import Terminal, open_terminal
from tallymark_terminal.command_line import home_option, json_option, patience_option, run
from tallymark_terminal.home import Home
from tallymark_terminal.identification import TelephoneNumber
from tallymark_terminal.sale_results import ExitCode, Outcome, worst
from tallymark_terminal.scan_options import ScanOptions, build_request, fail
from tallymark_terminal.source import Source, open_scans

__all__ = ["scan"]

_TELEPHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


_POINTS = click.IntRange(min=1, max=1_000_000_000)


@click.command()
@click.argument("pictures", nargs=-1, metavar="[PICTURE|FOLDER|-]...")
@click.option("--follow", is_flag=True, help="Wait for new pictures in the folder.")
@click.option("--camera", metavar="N", help="Read from camera number N, or a video.")
@click.option("--serial", metavar="DEVICE", help="Read from a hand scanner on a serial port.")
@click.option("--wedge", is_flag=True, help="Read from a hand scanner that types like a keyboard.")
@click.option("--telephone", metavar="NUMBER", help="Identify by telephone number, +4930123456.")
@click.option("--once", is_flag=True, help="End after the first code that was read.")
@click.option("--charge", metavar="AMOUNT", help="Charge the card this amount, such as 12.30.")
@click.option("--charge-rest", is_flag=True, help="Charge the card what is left to pay.")
@click.option("--sale-total", metavar="AMOUNT", help="Total of the sale, for --charge-rest.")
@click.option("--currency", default="EUR", show_default=True, help="Currency of all amounts.")
@click.option(
    "--pay-bill",
    "bills",
    metavar="[REFERENCE]",
    is_flag=False,
    flag_value="",
    multiple=True,
    help="Pay a bill: the one named, else the one that the code or the customer has. Can be "
    "repeated. Name pictures before it.",
)
@click.option(
    "--by-card/--at-terminal",
    "by_card",
    default=False,
    help="Who takes the money for bills: the customer's card, or this terminal (default).",
)
@click.option("--admit", metavar="EVENT", help="Let the customer into this event.")
@click.option("--exit", "is_exit", is_flag=True, help="Let the customer out instead.")
@click.option("--read-points", is_flag=True, help="Show the points.")
@click.option("--earn", type=_POINTS, metavar="N", help="Add points.")
@click.option("--burn", type=_POINTS, metavar="N", help="Spend points.")
@click.option(
    "--set-points", type=click.IntRange(min=0, max=10**15), metavar="N", help="Set the points to N."
)
@click.option(
    "--complete-on-instruction/--no-complete-on-instruction",
    "complete_on_instruction",
    default=None,
    help="Let the server complete by itself: one call instead of two. Default for --admit alone.",
)
@click.option(
    "--hold",
    "--no-complete",
    "is_held",
    is_flag=True,
    help="Stop when the instruction is shown; then run complete or reverse.",
)
@home_option
@json_option
@patience_option
def scan(
    home: Home, patience_seconds: float, *, as_json: bool, **options: Unpack[ScanOptions]
) -> None:
    """Read codes and make a sale of each: all that is asked for, or nothing."""
    try:
        request = build_request(options)
    except NotMoney as error:
        raise click.UsageError(str(error)) from error
    number = _telephone_number(options)
    source = None if number else _source(options)
    run(
        _scan(
            home,
            request,
            source=source,
            number=number,
            as_json=as_json,
            is_once=options["once"],
            patience_seconds=patience_seconds,
        ),
        home=home,
    )


def _telephone_number(options: ScanOptions) -> TelephoneNumber | None:
    number = options["telephone"]
    if number is None:
        return None
    if _given_sources(options):
        fail("--telephone takes the place of a code; name no pictures or scanner")
    if _TELEPHONE_NUMBER.fullmatch(number) is None:
        fail("write the telephone number with its country, such as +4930123456")
    return TelephoneNumber(number=number)


def _source(options: ScanOptions) -> Source:
    given = _given_sources(options)
    for reference in options["bills"]:
        if not given and (reference == "-" or Path(reference).exists()):
            fail(f"{reference} was taken for a bill; name pictures before --pay-bill")
    if given != 1:
        fail("name pictures or a folder, or one of --camera, --serial, --wedge, --telephone")
    pictures = options["pictures"]
    if "-" in pictures and len(pictures) > 1:
        fail("standard input (-) cannot be combined with pictures")
    if options["follow"] and not (len(pictures) == 1 and Path(pictures[0]).is_dir()):
        fail("--follow is for one folder")
    return Source(
        pictures=pictures,
        follow=options["follow"],
        camera=options["camera"],
        serial=options["serial"],
        wedge=options["wedge"],
    )


def _given_sources(options: ScanOptions) -> int:
    return sum(
        (
            bool(options["pictures"]),
            options["camera"] is not None,
            options["serial"] is not None,
            options["wedge"],
        )
    )


async def _scan(  # noqa: PLR0913 - the parts of one command line
    home: Home,
    request: SaleRequest,
    *,
    source: Source | None,
    number: TelephoneNumber | None,
    as_json: bool,
    is_once: bool,
    patience_seconds: float,
) -> ExitCode:
    async with open_terminal(home, as_json=as_json, patience_seconds=patience_seconds) as terminal:
        with home.lock():
            exit_code = await terminal.scanning.start()
            if exit_code is not None:
                return exit_code
            if number is not None:
                return worst({await terminal.scanning.sell_by_telephone(number, request)})
            return await _scan_source(terminal, request, source or Source(), is_once=is_once)


async def _scan_source(
    terminal: Terminal, request: SaleRequest, source: Source, *, is_once: bool
) -> ExitCode:
    outcomes: set[Outcome] = set()
    async with terminal.upkeep.in_background(), open_scans(source) as scans:
        async for outcome in terminal.scanning.scan_all(scans, request, is_once=is_once):
            outcomes.add(outcome)
    return worst(outcomes) if outcomes else ExitCode.NO_CODE_READ
