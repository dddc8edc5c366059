"""Scans from hand scanners, which send each code as a line: as keystrokes or on a serial port."""

import importlib
import os
import re
import select
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final, Protocol

from tallymark_protocol.code_format import CODE_PREFIX
from tallymark_terminal.presentations import RepeatFilter, Scan, finish_in_thread
from tallymark_terminal.scanner import (
    ForeignCode,
    GarbledCode,
    ScannedCode,
    ScannerUnavailable,
)

__all__ = ["LINE_BYTES_MAX", "ByteSource", "Keyboard", "LineCutter", "SerialPort", "scan_lines"]

LINE_BYTES_MAX: Final = 1024
"""Twice the longest code and more; the rest of a longer line is dropped as it comes."""

READ_WAIT_SECONDS: Final = 0.25
"""How long one read waits, and so how long stopping may take."""

READ_BYTES_MAX: Final = 65_536

SERIAL_BAUD_DEFAULT: Final = 9600
"""What hand scanners are set to when they leave the factory."""

# Enter, and the other keys that scanners are set to press after a code. Base45 has none of them.
_LINE_ENDS: Final = re.compile(rb"[\r\n\t]")

# Around the code: control characters that frame it, blanks, and the symbology identifier "]Q1"
# that many scanners can put in front. A code neither begins nor ends with a blank.
_DECORATION: Final = re.compile(r"^[\x00-\x20\ufeff]*(?:\]Q\d)?|[\x00-\x20]+$")


class ByteSource(Protocol):
    """Something that bytes come from, a few at a time."""

    def read_some(self) -> bytes:
        """Wait a moment and return what came, b"" if nothing; raises EOFError at the end."""


class Keyboard:
    """Standard input, or any other file descriptor that lines are typed or piped into."""

    def __init__(self, descriptor: int = 0) -> None:
        """Take the descriptor as it is; the caller closes it."""
        self._descriptor = descriptor

    def read_some(self) -> bytes:
        """Wait a moment for bytes; raises EOFError when no more can come."""
        # On Windows select works on sockets only; there the read itself waits.
        if os.name == "posix":
            readable, _, _ = select.select([self._descriptor], [], [], READ_WAIT_SECONDS)
            if not readable:
                return b""
        try:
            received = os.read(self._descriptor, READ_BYTES_MAX)
        except OSError as error:
            # So Linux reports a terminal whose window was closed.
            raise EOFError from error
        if not received:
            raise EOFError
        return received


class SerialPort:
    """A hand scanner on a serial port or USB serial adapter; needs the extra `serial`."""

    def __init__(self, device: str, *, baud: int = SERIAL_BAUD_DEFAULT) -> None:
        """Open the port; raises ScannerUnavailable."""
        self.source = f"hand scanner {device}"
        try:
            serial = importlib.import_module("serial")
        except ImportError as error:
            raise ScannerUnavailable(
                self.source,
                "serial ports need an optional part that is not installed",
                "Install it with: pip install 'tallymark-terminal[serial]'",
            ) from error
        try:
            self._port = serial.Serial(device, baudrate=baud, timeout=READ_WAIT_SECONDS)
        except (OSError, ValueError) as error:
            raise ScannerUnavailable(
                self.source,
                "the port cannot be opened",
                "Check its name, the cable, and that no other program uses it",
            ) from error

    def read_some(self) -> bytes:
        """Wait a moment for bytes; raises ScannerUnavailable if the scanner is gone."""
        try:
            return bytes(self._port.read(self._port.in_waiting or 1))
        except OSError as error:
            raise ScannerUnavailable(
                self.source, "the connection was lost", "Plug it in and start again"
            ) from error

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


async def scan_lines(
    incoming: ByteSource, *, source: str, clock: Callable[[], float], already_read: bytes = b""
) -> AsyncGenerator[Scan, None]:
    """Give one scan or refusal for each line; the same line again at once counts as a repeat.

    Ends with the byte source, whose last line needs no line end.
    """
    repeats = RepeatFilter(clock=clock)
    lines = LineCutter()
    received = already_read
    is_open = True
    while is_open:
        for line in lines.cut(received):
            scan = _scan_line(line, source)
            if scan is not None and not repeats.is_repeat(scan):
                yield scan
        try:
            received = await finish_in_thread(incoming.read_some)
        except EOFError:
            is_open = False
    last = _scan_line(lines.rest(), source)
    if last is not None and not repeats.is_repeat(last):
        yield last


class LineCutter:
    """Cuts a stream of bytes into lines and holds at most LINE_BYTES_MAX of an unfinished one."""

    def __init__(self) -> None:
        """Start at the beginning of a line."""
        self._unfinished = b""

    def cut(self, received: bytes) -> Iterator[bytes]:
        """Return the lines that are whole now, each cut off one byte above the limit."""
        *whole, unfinished = _LINE_ENDS.split(self._unfinished + received)
        self._unfinished = unfinished[: LINE_BYTES_MAX + 1]
        return (line[: LINE_BYTES_MAX + 1] for line in whole)

    def rest(self) -> bytes:
        """Return the line that never ended."""
        return self._unfinished


def _scan_line(line: bytes, source: str) -> Scan | None:
    """Make a scan of one line, or None of an empty one."""
    text = _DECORATION.sub("", line.decode("utf-8", errors="replace"))
    if not text:
        return None
    if len(line) > LINE_BYTES_MAX:
        return ForeignCode(source, "a line longer than any Tallymark code arrived")
    if text.startswith(CODE_PREFIX.lower()):
        # Caps Lock is on, which turns the case of every letter; codes have no small letters.
        text = text.upper()
    if text.startswith(CODE_PREFIX):
        return ScannedCode(text=text, source=source)
    if text[:3].upper() == CODE_PREFIX[:3]:
        return GarbledCode(source)
    return ForeignCode(source)
