import asyncio
import os
import pty
import sys
import tty
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from tallymark_terminal.hand_scanner import (
    LINE_BYTES_MAX,
    Keyboard,
    LineCutter,
    SerialPort,
    scan_lines,
)
from tallymark_terminal.presentations import REPEAT_WINDOW_SECONDS
from tallymark_terminal.scanner import ScannerUnavailable

from .codes import FOREIGN_TEXT, code_text
from .fakes import FakeBytes, FakeClock, everything_from, outcome

CODE = code_text(1).encode()


class SlowTyping(FakeBytes):
    """Bytes with a while between the pieces."""

    def __init__(self, clock: FakeClock, seconds: float, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self._clock = clock
        self._seconds = seconds

    def read_some(self) -> bytes:
        self._clock.seconds += self._seconds
        return super().read_some()


async def typed(*pieces: bytes) -> list[str]:
    """Return what comes of these keystrokes."""
    source = scan_lines(FakeBytes(*pieces), source="hand scanner", clock=FakeClock())
    return [outcome(scan) for scan in await everything_from(source)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n", b"\t", b"\n\n\r\n"])
async def test_code_is_read_whichever_key_ends_the_line(line_end: bytes) -> None:
    assert await typed(CODE + line_end) == [code_text(1)]


async def test_last_line_needs_no_end() -> None:
    assert await typed(b"TM1:A\n", CODE) == ["TM1:A", code_text(1)]


async def test_line_is_read_however_it_is_cut() -> None:
    assert await typed(*[bytes([byte]) for byte in CODE + b"\r\n"]) == [code_text(1)]


@pytest.mark.parametrize(
    "line",
    [
        b"  " + CODE + b" ",
        b"\x02" + CODE + b"\x03",
        b"]Q1" + CODE,
        b"\x02]Q1" + CODE + b" \x04",
        "\ufeff".encode() + CODE,
        CODE.swapcase(),
    ],
    ids=["blanks", "framed", "identified", "all at once", "byte order mark", "caps lock"],
)
async def test_what_scanners_put_around_a_code_is_taken_off(line: bytes) -> None:
    assert await typed(line + b"\n") == [code_text(1)]


async def test_blanks_and_marks_inside_a_code_stay() -> None:
    assert await typed(b"TM1:A B]Q1C  D\n") == ["TM1:A B]Q1C  D"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", []),
        (b"   ", []),
        (b"]Q1", []),
        (b"4006381333931", ["ForeignCode"]),
        (FOREIGN_TEXT.encode(), ["ForeignCode"]),
        (b"TM2:ABC", ["ForeignCode"]),
        (b"\xff\xfe\x00\x01", ["ForeignCode"]),
        ("TM1Ö6BFOXN".encode(), ["GarbledCode"]),
        (b"tm1;6bfoxn", ["GarbledCode"]),
        (b"TM1", ["GarbledCode"]),
    ],
)
async def test_other_lines_are_ignored_when_empty_and_refused_otherwise(
    line: bytes, expected: list[str]
) -> None:
    assert await typed(line + b"\n") == expected


@pytest.mark.parametrize("piece_bytes", [1, 100, 10_000])
async def test_line_without_end_is_dropped_and_the_next_one_read(piece_bytes: int) -> None:
    flood = b"TM1:" + b"A" * (5 * LINE_BYTES_MAX)
    keys = flood + b"\n" + CODE + b"\n"
    pieces = [keys[start : start + piece_bytes] for start in range(0, len(keys), piece_bytes)]

    assert await typed(*pieces) == ["ForeignCode", code_text(1)]


def test_line_without_end_takes_no_more_memory_than_the_limit() -> None:
    cutter = LineCutter()

    lines = [line for _ in range(100) for line in cutter.cut(b"A" * LINE_BYTES_MAX)]

    assert lines == []
    assert len(cutter.rest()) == LINE_BYTES_MAX + 1


async def test_longest_line_is_read_and_one_byte_more_is_not() -> None:
    longest = b"TM1:" + b"A" * (LINE_BYTES_MAX - 4)

    assert await typed(longest + b"\n") == [longest.decode()]
    assert await typed(longest + b"A\n") == ["ForeignCode"]


async def test_trigger_that_bounces_makes_one_scan() -> None:
    assert await typed(CODE + b"\n" + CODE + b"\n", CODE + b"\n") == [code_text(1)]


async def test_two_customers_in_quick_turn_make_two_scans() -> None:
    other = code_text(2).encode()

    given = await typed(CODE + b"\n", other + b"\n", CODE + b"\n")

    assert given == [code_text(1), code_text(2)]


@pytest.mark.parametrize(("pause_seconds", "scans"), [(-0.5, 1), (0.5, 3)])
async def test_code_shown_again_after_a_while_is_a_new_scan(
    pause_seconds: float, scans: int
) -> None:
    clock = FakeClock()
    typing = SlowTyping(clock, REPEAT_WINDOW_SECONDS + pause_seconds, *[CODE + b"\n"] * 3)

    given = await everything_from(scan_lines(typing, source="hand scanner", clock=clock))

    assert [outcome(scan) for scan in given] == [code_text(1)] * scans


async def test_refusal_of_a_typed_line_does_not_repeat_it() -> None:
    source = scan_lines(FakeBytes(b"TM1;SECRET\n"), source="hand scanner", clock=FakeClock())

    (refused,) = await everything_from(source)

    assert "SECRET" not in repr(refused)
    assert "keyboard layout" in str(refused)


async def test_keyboard_gives_the_lines_of_a_pipe_and_ends_with_it() -> None:
    reading, writing = os.pipe()
    os.write(writing, CODE + b"\nTM1:B\n")
    os.close(writing)

    try:
        source = scan_lines(Keyboard(reading), source="keyboard", clock=FakeClock())
        given = [outcome(scan) for scan in await everything_from(source)]
    finally:
        os.close(reading)

    assert given == [code_text(1), "TM1:B"]


async def test_keyboard_ends_when_its_window_is_closed() -> None:
    window, keyboard = pty.openpty()
    os.close(window)

    try:
        source = scan_lines(Keyboard(keyboard), source="keyboard", clock=FakeClock())
        given = await everything_from(source)
    finally:
        os.close(keyboard)

    assert given == []


async def test_waiting_for_a_key_can_be_cancelled_and_leaves_no_reader_behind() -> None:
    reading, writing = os.pipe()

    async def wait_for_a_line() -> None:
        source = scan_lines(Keyboard(reading), source="keyboard", clock=FakeClock())
        async with aclosing(source) as scans:
            await anext(scans)

    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await wait_for_a_line()
        os.write(writing, b"left for the next reader")

        assert os.read(reading, 100) == b"left for the next reader"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.fixture
def scanner_cable() -> Iterator[tuple[int, str]]:
    """Give both ends of a cable: where the hand scanner writes, and the port's device."""
    scanner, port = pty.openpty()
    tty.setraw(port)
    yield scanner, os.ttyname(port)
    os.close(port)
    os.close(scanner)


async def test_code_comes_over_a_serial_port(scanner_cable: tuple[int, str]) -> None:
    pytest.importorskip("serial")
    scanner, device = scanner_cable
    port = SerialPort(device)

    try:
        os.write(scanner, CODE + b"\r\n")
        async with aclosing(scan_lines(port, source=port.source, clock=FakeClock())) as scans:
            scan = await anext(scans)
    finally:
        port.close()

    assert outcome(scan) == code_text(1)
    assert scan.source == f"hand scanner {device}"


def test_quiet_serial_port_gives_nothing_and_does_not_block(
    scanner_cable: tuple[int, str],
) -> None:
    pytest.importorskip("serial")
    port = SerialPort(scanner_cable[1])

    assert port.read_some() == b""

    port.close()


def test_serial_port_whose_cable_is_pulled_stops_the_scanner() -> None:
    pytest.importorskip("serial")
    scanner, slave = pty.openpty()
    tty.setraw(slave)
    port = SerialPort(os.ttyname(slave))
    os.close(slave)
    os.close(scanner)

    with pytest.raises(ScannerUnavailable, match="connection was lost"):
        port.read_some()

    port.close()


def test_serial_port_that_is_not_there_is_named() -> None:
    pytest.importorskip("serial")

    with pytest.raises(ScannerUnavailable, match=r"hand scanner /dev/no-such-port: .*Check"):
        SerialPort("/dev/no-such-port")


def test_missing_serial_extra_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)

    with pytest.raises(ScannerUnavailable, match=r"pip install 'tallymark-terminal\[serial\]'"):
        SerialPort("/dev/ttyUSB0")
