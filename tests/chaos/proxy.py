"""A line that fails: a TCP proxy between a client and a server. TLS passes through unread.

It only ever sees ciphertext, so what it swallows cannot be made up for later: a line that lost
bytes is reset when the trouble ends, as a router does that forgot its connections.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

__all__ = [
    "FAULTS",
    "BlackHole",
    "Cut",
    "Delay",
    "DropReplies",
    "Fault",
    "FaultProxy",
    "Reset",
    "fault_proxy",
]

CHUNK_BYTES: Final = 64 * 1024
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN (socket(7))."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Whatever is sent arrives so much later, in both directions."""

    seconds: float
    name = "delay"


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Nothing arrives, in neither direction, and nobody is told."""

    name = "black hole"


@dataclass(frozen=True, slots=True)
class DropReplies:
    """The server gets everything, the client nothing."""

    name = "reply dropped"


@dataclass(frozen=True, slots=True)
class Cut:
    """The line is reset after so many more bytes, both directions together."""

    after_bytes: int
    name = "cut after N bytes"


@dataclass(frozen=True, slots=True)
class Reset:
    """The line is reset at once; new ones are, too."""

    name = "reset"


Fault = Delay | BlackHole | DropReplies | Cut | Reset

FAULTS: Final = tuple(fault.name for fault in (Delay, BlackHole, DropReplies, Cut, Reset))


class _Way(Enum):
    TO_SERVER = auto()
    TO_CLIENT = auto()


class FaultProxy:
    """Forwards connections to `server_port` on this machine, which may change at any time."""

    def __init__(self, server_port: int) -> None:
        """Take the port to forward to."""
        self.server_port = server_port
        self.port = 0
        self.fired: Counter[str] = Counter()
        """How often each fault really did something to bytes or lines, by its name."""

        self.fault: Fault | None = None
        self._lines: set[_Line] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a new connection until either side ends it."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def hang_up(self) -> None:
        """End all connections."""
        for line in self._lines:
            line.reset()
        await asyncio.gather(*self._serving)

    def strike(self, fault: Fault) -> None:
        """Let every line suffer, open ones and new ones, until `heal`."""
        self.fault = fault
        for line in list(self._lines):
            line.suffer(fault)

    def heal(self) -> None:
        """End the trouble. Lines that lost bytes are reset."""
        self.fault = None
        for line in list(self._lines):
            line.recover()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:  # nobody serves now
            _reset(writer)
            return
        line = _Line(self.fired, (reader, writer), upstream)
        self._lines.add(line)
        try:
            if self.fault:
                line.suffer(self.fault)
            await line.run()
        finally:
            self._lines.discard(line)


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection, forwarded."""

    def __init__(self, fired: Counter[str], client: _End, server: _End) -> None:
        self._fired = fired
        self._client = client
        self._server = server
        self._fault: Fault | None = None
        self._bytes_left = 0
        self._lost: set[_Way] = set()
        """Ways on which bytes were lost: what follows them could not be read any more."""

    async def run(self) -> None:
        ways = (
            self._pump(self._client[0], self._server[1], _Way.TO_SERVER),
            self._pump(self._server[0], self._client[1], _Way.TO_CLIENT),
        )
        await asyncio.gather(*ways)
        self._client[1].close()
        self._server[1].close()

    def suffer(self, fault: Fault) -> None:
        self._fault = fault
        if isinstance(fault, Cut):
            self._bytes_left = fault.after_bytes
        if isinstance(fault, Reset):
            self._fired[fault.name] += 1
            self.reset()

    def recover(self) -> None:
        self._fault = None
        if self._lost:
            self.reset()

    def reset(self) -> None:
        for _, writer in (self._client, self._server):
            _reset(writer)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: _Way
    ) -> None:
        try:
            while arrived := await source.read(CHUNK_BYTES):
                sink.write(await self._forwarded(arrived, way))
                await sink.drain()
                if isinstance(self._fault, Cut) and self._bytes_left == 0:
                    self._fired[self._fault.name] += 1
                    self.reset()
            if sink.can_write_eof():
                sink.write_eof()
        except OSError:  # the other end is gone, and with it the line
            self.reset()

    async def _forwarded(self, arrived: bytes, way: _Way) -> bytes:
        """Return what of the bytes goes on, as soon as it may."""
        fault = self._fault
        if isinstance(fault, BlackHole) or (
            isinstance(fault, DropReplies) and way is _Way.TO_CLIENT
        ):
            self._fired[fault.name] += 1
            self._lost.add(way)
        if way in self._lost:
            return b""
        if isinstance(fault, Delay):
            self._fired[fault.name] += 1
            await asyncio.sleep(fault.seconds)
        if isinstance(fault, Cut):
            arrived = arrived[: self._bytes_left]
            self._bytes_left -= len(arrived)
        return arrived


def _reset(writer: asyncio.StreamWriter) -> None:
    transport = writer.transport
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


@asynccontextmanager
async def fault_proxy(server_port: int) -> AsyncIterator[FaultProxy]:
    """Serve a proxy on a free port."""
    proxy = FaultProxy(server_port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.hang_up()
        await server.wait_closed()
