"""Opens what codes are read from: pictures, a camera, a hand scanner, standard input."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tallymark_terminal.camera import OpenCvCamera, scan_camera
from tallymark_terminal.hand_scanner import Keyboard, SerialPort, scan_lines
from tallymark_terminal.presentations import Scan
from tallymark_terminal.scan_sources import scan_files, scan_folder, scan_standard_input

__all__ = ["Source", "open_scans"]


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
