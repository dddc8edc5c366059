"""READ FIRST: how a terminal is put together. Nothing else builds things.

main.py, scan_command.py   what the person types
app.py                   builds what follows
scan_sources.py, camera.py, hand_scanner.py -> scanner.py     pictures and lines to text
scanning.py            each scan:
code_check.py        form, signature, expiry: before anything is sent
sale.py, settling.py, recovery.py    the sale, and what a crash left of one
journal.py         written down before it is sent
server_connection.py               every call; messages of the contract end there
display.py           what is shown, or printed as JSON
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tallymark_terminal.camera import OpenCvCamera, scan_camera
from tallymark_terminal.code_check import CodeCheck
from tallymark_terminal.display import Display
from tallymark_terminal.hand_scanner import Keyboard, SerialPort, scan_lines
from tallymark_terminal.home import Home, Identity
from tallymark_terminal.journal import Journal
from tallymark_terminal.plain_words import Words
from tallymark_terminal.presentations import Scan
from tallymark_terminal.recovery import Recovery
from tallymark_terminal.repeating import PATIENCE_SECONDS, Repeater
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale import SaleLoop
from tallymark_terminal.scan_sources import scan_files, scan_folder, scan_standard_input
from tallymark_terminal.scanning import Scanning
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection
from tallymark_terminal.settling import Settling

__all__ = [
    "Source",
    "Terminal",
    "build_display",
    "build_request_ids",
    "open_scans",
    "open_terminal",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminal:
    """The parts that commands use."""

    identity: Identity
    server: ServerConnection
    journal: Journal
    clock: ServerClock
    check: CodeCheck
    settling: Settling
    scanning: Scanning
    display: Display


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where codes come from: exactly one of these."""

    pictures: tuple[str, ...] = ()
    """Picture files and folders; "-" alone is standard input."""

    follow: bool = False
    camera: str | None = None
    serial: str | None = None
    wedge: bool = False


@asynccontextmanager
async def open_terminal(
    home: Home, *, as_json: bool, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Terminal]:
    """Build the enrolled terminal of this folder, and close it; raises HomeUnusable."""
    identity = home.read_identity()
    display = build_display(as_json=as_json)
    clock = ServerClock(steady=time.monotonic)
    request_ids = build_request_ids()
    repeater = Repeater(
        steady=time.monotonic,
        sleep=asyncio.sleep,
        progress=display,
        patience_seconds=patience_seconds,
    )
    async with AsyncExitStack() as stack:
        journal = Journal(home.journal_path)
        stack.callback(journal.close)
        server = await stack.enter_async_context(
            ServerConnection(
                identity.server, terminal_secret=identity.terminal_secret, steady=time.monotonic
            )
        )
        settling = Settling(
            server=server,
            journal=journal,
            clock=clock,
            repeater=repeater,
            progress=display,
            request_ids=request_ids,
            sleep=asyncio.sleep,
        )
        sale_loop = SaleLoop(
            server=server,
            journal=journal,
            clock=clock,
            repeater=repeater,
            progress=display,
            request_ids=request_ids,
            sleep=asyncio.sleep,
            settling=settling,
            execute=display.execute,
        )
        check = CodeCheck(
            terminal_id=identity.terminal_id,
            clock=clock,
            fetch_keys=server.list_verification_keys,
            find_earlier_use=journal.find_earlier_use,
        )
        recovery = Recovery(journal=journal, clock=clock, sale_loop=sale_loop, settling=settling)
        yield Terminal(
            identity=identity,
            server=server,
            journal=journal,
            clock=clock,
            check=check,
            settling=settling,
            scanning=Scanning(check=check, sale_loop=sale_loop, recovery=recovery, display=display),
            display=display,
        )


def build_display(*, as_json: bool) -> Display:
    """Build the screen on standard output; colours only if that is a terminal."""
    return Display(
        console=Console(file=sys.stdout),
        error_console=Console(file=sys.stderr),
        words=Words(),
        as_json=as_json,
    )


def build_request_ids() -> RequestIds:
    """Build the maker of request ids."""
    return RequestIds(wall_clock=time.time, random_bits=secrets.randbits)


@asynccontextmanager
async def open_scans(source: Source) -> AsyncIterator[AsyncIterator[Scan]]:
    """Open the source and close it; raises ScannerUnavailable, also while scanning."""
    async with AsyncExitStack() as stack:
        if source.camera is not None:
            number = source.camera
            camera = OpenCvCamera(int(number) if number.isdigit() else number)
            stack.callback(camera.close)
            scans = scan_camera(camera, source=camera.source, clock=time.monotonic)
        elif source.serial is not None:
            port = SerialPort(source.serial)
            stack.callback(port.close)
            scans = scan_lines(port, source=port.source, clock=time.monotonic)
        elif source.wedge:
            scans = scan_lines(Keyboard(), source="hand scanner", clock=time.monotonic)
        elif source.pictures == ("-",):
            scans = scan_standard_input(Keyboard(), clock=time.monotonic)
        else:
            scans = _scan_pictures(source)
        # Closed before the device, which a scan may still be reading from.
        stack.push_async_callback(scans.aclose)
        yield scans


async def _scan_pictures(source: Source) -> AsyncGenerator[Scan, None]:
    """Give the scans of files and folders in the order they were named."""
    for name in source.pictures:
        path = Path(name)
        is_folder = await asyncio.to_thread(path.is_dir)
        scans = scan_folder(path, follow=source.follow) if is_folder else scan_files([path])
        async for scan in scans:
            yield scan
