"""READ FIRST: how a terminal is put together. Nothing else builds things.

main.py and *_command.py   what the person types
app.py                     builds what follows
source.py                  opens files, a camera or a hand scanner
scanner.py                 pictures and lines to text
scanning.py                each scan:
code_check.py              form, signature, expiry: before anything is sent
sale.py, settling.py, recovery.py    the sale, and what a crash left of one
journal.py                 written down before it is sent
reporting.py               told to a server that lost it
server_connection.py       every call; messages of the contract end there
concentrator.py            many lanes, whose calls share one stream (command_stream.py)
upkeep.py                  meanwhile: keys, the certificate, the server's checkpoints
identity_files.py          who the terminal is, and the key that proves it
display.py                 what is shown, or printed as JSON
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from tallymark_protocol.errors import TallymarkError
from tallymark_protocol.witness import NewestWitness
from tallymark_terminal.checkpoint_book import CheckpointBook
from tallymark_terminal.checkpoint_records import CheckpointRecords
from tallymark_terminal.code_check import CodeCheck
from tallymark_terminal.concentrator import Concentrator, Lane
from tallymark_terminal.display import Display
from tallymark_terminal.home import Home
from tallymark_terminal.identity import Identity
from tallymark_terminal.journal import Journal
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.key_table import KeyTable
from tallymark_terminal.not_sent import not_sent
from tallymark_terminal.plain_words import Words
from tallymark_terminal.recovery import Recovery
from tallymark_terminal.renewing import Renewal
from tallymark_terminal.repeating import PATIENCE_SECONDS, Repeater
from tallymark_terminal.reporting import Reporting
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale import SaleLoop
from tallymark_terminal.sale_calls import SaleCalls
from tallymark_terminal.sale_results import SaleResult
from tallymark_terminal.scanning import Scanning
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection
from tallymark_terminal.settling import Settling
from tallymark_terminal.upkeep import Upkeep

__all__ = [
    "Terminal",
    "build_console",
    "build_display",
    "build_request_ids",
    "open_concentrator",
    "open_terminal",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminal:
    """The parts that commands use."""

    server: ServerConnection
    journal: Journal
    clock: ServerClock
    check: CodeCheck
    settling: Settling
    renewal: Renewal
    upkeep: Upkeep
    scanning: Scanning
    display: Display

    @property
    def identity(self) -> Identity:
        """Who it is now; a renewal changes the certificate in it."""
        return self.renewal.identity


@asynccontextmanager
async def open_terminal(
    home: Home, *, as_json: bool, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Terminal]:
    """Build the enrolled terminal of this folder, and close it; raises HomeUnusable."""
    identity = home.read_identity()
    display = build_display(as_json=as_json)
    clock = ServerClock(steady=time.monotonic)
    async with AsyncExitStack() as stack:
        file = JournalFile(home.journal_path)
        stack.callback(file.close)
        journal = Journal(file)
        records = CheckpointRecords(file)
        witness = NewestWitness(await records.witness())
        checkpoints = CheckpointBook(
            records=records, clock=clock, witness=witness, warn=display.warning
        )
        stack.push_async_callback(checkpoints.save)
        server = await stack.enter_async_context(
            ServerConnection(
                identity.server,
                ca_certificates_pem=identity.certificate.ca_certificates_pem,
                identity=identity.for_tls,
                steady=time.monotonic,
                hear=checkpoints.hear,
                witness=witness,
            )
        )
        renewal = Renewal(
            home=home,
            identity=identity,
            server=server,
            clock=clock,
            request_ids=build_request_ids(),
            warn=display.warning,
        )
        reporting = Reporting(server=server, journal=journal, warn=display.warning)
        check = CodeCheck(
            terminal_id=identity.terminal_id,
            clock=clock,
            fetch_keys=partial(_fetch_keys, server, checkpoints, reporting),
            find_earlier_use=journal.find_earlier_use,
            sleep=asyncio.sleep,
        )
        upkeep = Upkeep(check=check, renewal=renewal, checkpoints=checkpoints, sleep=asyncio.sleep)
        sale_loop, settling = _build_sales(
            server, journal, clock, display=display, patience_seconds=patience_seconds
        )
        scanning = Scanning(
            check=check,
            sale_loop=sale_loop,
            recovery=Recovery(journal=journal, clock=clock, sale_loop=sale_loop, settling=settling),
            upkeep=upkeep,
            display=display,
            not_sent=partial(_not_sent, renewal),
        )
        yield Terminal(
            server=server,
            journal=journal,
            clock=clock,
            check=check,
            settling=settling,
            renewal=renewal,
            upkeep=upkeep,
            scanning=scanning,
            display=display,
        )


@asynccontextmanager
async def open_concentrator(
    home: Home, *, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[Terminal, Concentrator]]:
    """Build the enrolled terminal of this folder as one that speaks for lanes, and close it."""
    async with (
        open_terminal(home, as_json=True, patience_seconds=patience_seconds) as terminal,
        terminal.server.stream() as stream,
    ):

        def build(calls: SaleCalls, journal: Journal, lane_id: str) -> Lane:
            sale_loop, settling = _build_sales(
                calls,
                journal,
                terminal.clock,
                display=terminal.display,
                patience_seconds=patience_seconds,
            )
            check = CodeCheck(
                terminal_id=lane_id,
                clock=terminal.clock,
                fetch_keys=partial(terminal.check.keys, age_seconds_max=0),
                find_earlier_use=journal.find_earlier_use,
                sleep=asyncio.sleep,
            )
            recovery = Recovery(
                journal=journal, clock=terminal.clock, sale_loop=sale_loop, settling=settling
            )
            return Lane(check=check, sale_loop=sale_loop, recovery=recovery, turn=asyncio.Lock())

        concentrator = Concentrator(
            home=home,
            terminal_id=terminal.identity.terminal_id,
            stream=stream,
            build=build,
            not_sent=partial(_not_sent, terminal.renewal),
        )
        try:
            yield terminal, concentrator
        finally:
            concentrator.close()


def _build_sales(
    server: SaleCalls,
    journal: Journal,
    clock: ServerClock,
    *,
    display: Display,
    patience_seconds: float,
) -> tuple[SaleLoop, Settling]:
    repeater = Repeater(
        steady=time.monotonic,
        sleep=asyncio.sleep,
        progress=display,
        patience_seconds=patience_seconds,
    )
    settling = Settling(
        server=server,
        journal=journal,
        clock=clock,
        repeater=repeater,
        progress=display,
        request_ids=build_request_ids(),
        sleep=asyncio.sleep,
    )
    sale_loop = SaleLoop(
        server=server,
        journal=journal,
        clock=clock,
        repeater=repeater,
        progress=display,
        request_ids=build_request_ids(),
        sleep=asyncio.sleep,
        settling=settling,
        execute=display.execute,
    )
    return sale_loop, settling


async def _fetch_keys(
    server: ServerConnection, checkpoints: CheckpointBook, reporting: Reporting
) -> KeyTable:
    table = await server.list_verification_keys()
    if table.checkpoint is not None:
        await checkpoints.hear_signed(table.checkpoint)
    if table.open_recovery is not None:
        await reporting.answer(table.open_recovery)
    return table


def _not_sent(renewal: Renewal, error: TallymarkError) -> SaleResult:
    certificate = renewal.identity.certificate
    return not_sent(error, certificate=certificate, own_time=datetime.now(tz=UTC))


def build_console() -> Console:
    """Build the screen on standard output."""
    return Console(file=sys.stdout)


def build_display(*, as_json: bool) -> Display:
    """Build the screen on standard output; colours only if that is a terminal."""
    return Display(
        console=build_console(),
        error_console=Console(file=sys.stderr),
        words=Words(),
        as_json=as_json,
    )


def build_request_ids() -> RequestIds:
    """Build the maker of request ids."""
    return RequestIds(wall_clock=time.time, random_bits=secrets.randbits)
