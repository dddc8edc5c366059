"""The command `tallymark-terminal serve-lane`: lines of JSON in and out, over one stream."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import click

from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.app import Terminal, open_concentrator
from tallymark_terminal.command_line import home_option, patience_option, run
from tallymark_terminal.concentrator import Concentrator, is_lane_id
from tallymark_terminal.home import Home
from tallymark_terminal.json_view import Json, as_line, result_view
from tallymark_terminal.sale_results import ExitCode, Outcome, SaleResult, worst
from tallymark_terminal.scan_options import lane_request

__all__ = ["serve_lane"]

LINE_BYTES_MAX: Final = 4096
"""Of a scan; a code has at most 466 characters."""

SCANS_AT_ONCE: Final = 800
"""Scans that are read and not answered; beyond them no more are read."""

_POINTS = click.IntRange(min=1, max=1_000_000_000)

_Answer = Callable[[str], Awaitable[None]]


@click.command("serve-lane")
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take connections on this local socket, until Ctrl-C, in place of standard input.",
)
@click.option("--admit", metavar="EVENT", help="Let each customer into this event.")
@click.option("--exit", "is_exit", is_flag=True, help="Let each customer out instead.")
@click.option("--read-points", is_flag=True, help="Read the points.")
@click.option("--earn", type=_POINTS, metavar="N", help="Add points.")
@click.option("--burn", type=_POINTS, metavar="N", help="Spend points.")
@home_option
@patience_option
def serve_lane(  # noqa: PLR0913 - the options of one command
    home: Home,
    patience_seconds: float,
    *,
    socket_path: Path | None,
    admit: str | None,
    is_exit: bool,
    read_points: bool,
    earn: int | None,
    burn: int | None,
) -> None:
    """Speak for many lanes over one stream: a line of JSON in for each scan, one out.

    In: {"lane": "lane-1", "code": "TM1:...", "id": 7}. The lane is a terminal that the operator has
    delegated to this one, by default this one itself; the id is yours, and comes back. Out: what
    scan --json prints, with lane and id. Open the gate for "executed", and for nothing else.

    Lines of different lanes are answered in any order. Exit codes as of scan.
    """
    request = lane_request(
        admit=admit, is_exit=is_exit, read_points=read_points, earn=earn, burn=burn
    )
    run(_serve(home, request, socket_path, patience_seconds), home=home)


class _Line(NamedTuple):
    """A line that was read: a scan, or what is wrong with it."""

    lane_id: str
    code: str
    own_id: Json
    wrong: str = ""


async def _serve(
    home: Home, request: SaleRequest, socket_path: Path | None, patience_seconds: float
) -> ExitCode:
    async with open_concentrator(home, patience_seconds=patience_seconds) as (terminal, gate):
        with home.lock():
            exit_code = await terminal.scanning.start()
            if exit_code is not None:
                return exit_code
            service = _Service(terminal, gate, request)
            async with terminal.upkeep.in_background():
                async for lane_id, result in gate.recover():
                    await _print(service.line(lane_id, None, result))
                if socket_path is not None:
                    await _serve_socket(socket_path, service)
                else:
                    await service.answer_all(_standard_input(), _print)
            return worst(service.outcomes) if service.outcomes else ExitCode.NO_CODE_READ


class _Service:
    """Answers lines."""

    def __init__(self, terminal: Terminal, gate: Concentrator, request: SaleRequest) -> None:
        self._terminal = terminal
        self._gate = gate
        self._request = request
        self._places = asyncio.Semaphore(SCANS_AT_ONCE)
        self.outcomes: set[Outcome] = set()

    async def answer_all(self, lines: AsyncIterator[bytes], answer: _Answer) -> None:
        """Make a sale of each line, those of different lanes at once."""
        async with asyncio.TaskGroup() as scans:
            async for line in lines:
                await self._places.acquire()
                scans.create_task(self._answer(line, answer))

    def line(self, lane_id: str, own_id: Json, result: SaleResult) -> str:
        """Return how a sale ended, as a line."""
        words = self._terminal.display.words_of(result)
        view = result_view(result, source=None, words=words)
        return as_line({"id": own_id, "lane": lane_id, **view})

    async def _answer(self, text: bytes, answer: _Answer) -> None:
        try:
            scan = _read(text, self._terminal.identity.terminal_id)
            if scan.wrong:
                wrong = SaleResult(outcome=Outcome.NO_CODE, message=scan.wrong)
                self.outcomes.add(wrong.outcome)
                await answer(self.line(scan.lane_id, scan.own_id, wrong))
                return
            async for result in self._gate.sell(scan.lane_id, scan.code, self._request):
                self.outcomes.add(result.outcome)
                own_id = None if result.is_recovered else scan.own_id
                await answer(self.line(scan.lane_id, own_id, result))
        finally:
            self._places.release()


def _read(text: bytes, own_terminal_id: str) -> _Line:
    try:
        read = json.loads(text)
    except ValueError:
        return _Line("", "", None, "the line is no JSON")
    if not isinstance(read, dict):
        return _Line("", "", None, "the line is no JSON object")
    lane_id, code, own_id = read.get("lane", own_terminal_id), read.get("code"), read.get("id")
    if not isinstance(lane_id, str) or not is_lane_id(lane_id):
        return _Line("", "", own_id, "lane is no id of a terminal")
    if not isinstance(code, str) or not code:
        return _Line(lane_id, "", own_id, "code is missing")
    return _Line(lane_id, code, own_id)


async def _print(line: str) -> None:
    click.echo(line)


async def _standard_input() -> AsyncIterator[bytes]:
    """Yield the lines of standard input, without holding up what goes on meanwhile."""
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    except ValueError:  # a file: there is nothing to wait for
        for line in sys.stdin.buffer:
            yield line
        return
    async for line in _lines(reader):
        yield line


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines; one that is too long for a scan is yielded as one that is none."""
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            line = b"too long"
        if not line:
            return
        yield line


async def _serve_socket(path: Path, service: _Service) -> None:
    """Take connections, each with lines of its own, until the program is told to end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(line: str) -> None:
            writer.write(line.encode() + b"\n")
            await writer.drain()

        with suppress(ConnectionError):
            await service.answer_all(_lines(reader), answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, sock=_private(path), limit=LINE_BYTES_MAX)
    async with server:
        await server.serve_forever()


def _private(path: Path) -> socket.socket:
    """Return a local socket that only this user can connect to; one that is left over is taken."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(os.fspath(path))
    finally:
        os.umask(before)
    return listening
