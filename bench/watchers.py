"""Many phones that watch, in a process of their own: as little of HTTP/2 and gRPC as that takes.

A client library costs a hundred kilobytes for each connection, and a fifth of a millisecond for
each message: ten thousand phones would wait for each other. What is written here by hand are the
frames (RFC 9113) of calls that send one message and then only listen. Headers go out as literals
(RFC 7541, section 6.2.2), and those that come in are not read.

The process is told what to do in one line of JSON, says `watching` when every stream has heard
something, and at the end of its standard input prints when each stream was told of a process.
"""

import asyncio
import json
import ssl
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import uvloop

from tallymark.v1.customer_service_pb2 import WatchProcessesRequest

__all__ = ["WATCHERS", "WATCHING"]

WATCHERS: Final = "from bench.watchers import main; main()"

WATCHING: Final = "watching"

CALLS_AT_ONCE: Final = 200
"""Fewer than a server answers at once: of more it sends some away, to come again."""

LIFE_SIGN_BYTES_MAX: Final = 16
"""What tells of a process is longer."""

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GO_AWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_LARGE_WINDOW: Final = struct.pack(">I", 2**30)
_FRAME_HEAD_BYTES: Final = 9

_PATH: Final = "/tallymark.v1.CustomerService/WatchProcesses"


class WatchingPhones(asyncio.Protocol):
    """Phones on one connection, each with a stream."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Take the session tokens of those who watch."""
        self._tokens = tokens
        self._received = bytearray()
        self.told: list[list[float]] = [[] for _ in tokens]
        """When each of them was told, by the clock that all processes share (perf_counter)."""

        self.heard = asyncio.Event()
        """Set when all were told something, or the connection ended."""

        self.trouble = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for everything at once."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's has no base class
        calls = b"".join(_call(2 * number + 1, token) for number, token in enumerate(self._tokens))
        window = _frame(_WINDOW, 0, 0, _LARGE_WINDOW)
        self._transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + window + calls)

    def data_received(self, data: bytes) -> None:
        """Take in whole frames."""
        self._received += data
        while len(self._received) >= _FRAME_HEAD_BYTES:
            end = _FRAME_HEAD_BYTES + int.from_bytes(self._received[:3], "big")
            if len(self._received) < end:
                return
            kind, flags, stream = struct.unpack(">BBI", self._received[3:_FRAME_HEAD_BYTES])
            self._take(kind, flags, stream, bytes(self._received[_FRAME_HEAD_BYTES:end]))
            del self._received[:end]

    def connection_lost(self, error: Exception | None) -> None:
        """Say that it is over."""
        self._fail(f"the connection ended: {error}")

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA and len(payload) > LIFE_SIGN_BYTES_MAX:
            self.told[stream // 2].append(time.perf_counter())
            if all(self.told):
                self.heard.set()
        elif kind in {_SETTINGS, _PING} and not flags & _ACK:
            self._transport.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind in {_RESET, _GO_AWAY} or (kind == _HEADERS and flags & _END_STREAM):
            self._fail(f"stream {stream} was ended by frame {kind}: {payload.hex()}")

    def _fail(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble
        self.heard.set()


def main() -> None:
    """Watch until standard input ends."""
    uvloop.run(_watch(json.loads(sys.stdin.readline())))


async def _watch(plan: dict[str, Any]) -> None:
    context = ssl.create_default_context(cadata=plan["ca_pem"])
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    turns = asyncio.Semaphore(max(1, CALLS_AT_ONCE // plan["streams_a_connection"]))
    loop = asyncio.get_running_loop()

    async def connect(tokens: Sequence[str]) -> WatchingPhones:
        async with turns:
            _, phones = await loop.create_connection(
                lambda: WatchingPhones(tokens), plan["host"], plan["port"], ssl=context
            )
            await phones.heard.wait()
            return phones

    groups = list(_groups(plan["tokens"], plan["streams_a_connection"]))
    watching = await asyncio.gather(*map(connect, groups))
    _say(watching, WATCHING)
    await loop.run_in_executor(None, sys.stdin.read)
    _say(watching, json.dumps([times for phones in watching for times in phones.told]))


def _say(watching: Sequence[WatchingPhones], text: str) -> None:
    troubles = [phones.trouble for phones in watching if phones.trouble]
    print(f"{len(troubles)} failed: {troubles[0]}" if troubles else text, flush=True)


def _groups(tokens: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (tokens[first : first + size] for first in range(0, len(tokens), size))


def _call(stream: int, token: str) -> bytes:
    """Return the frames of a call: its headers, its message, and that nothing follows."""
    headers = (
        (":method", "POST"),
        (":scheme", "https"),
        (":path", _PATH),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("authorization", f"Bearer {token}"),
    )
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)
    message = WatchProcessesRequest().SerializeToString()
    body = struct.pack(">BI", 0, len(message)) + message
    return _frame(_HEADERS, _END_HEADERS, stream, block) + _frame(_DATA, _END_STREAM, stream, body)


def _text(text: str) -> bytes:
    """Return a string literal; one byte tells lengths below 127 (RFC 7541, section 5.1)."""
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


if __name__ == "__main__":
    main()
