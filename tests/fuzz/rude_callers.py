"""Callers who keep no rule of the wire: below gRPC, halfway into it, too large, too slow, idle."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import grpc
import pytest

from tests.e2e.served import Town
from tests.world.actor import Actor
from tests.world.contract import RPCS, Rpc
from tests.world.phone import Phone

__all__ = ["RUDE_ACTS", "Besieged", "Connection", "Place", "idle_connections"]

HOST: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 0.3
LARGE_BYTES: Final = 10 * 1024 * 1024
TRICKLED_BYTES: Final = 12
TRICKLE_SECONDS: Final = 0.02

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS: Final = bytes.fromhex("000000040000000000")
_TLS_HELLO: Final = bytes.fromhex("16030100d1010000cd0303") + bytes(32)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Place(NamedTuple):
    """One port of the server, and who may call there."""

    port: int
    rpcs: list[Rpc]
    actor: Actor
    channel: grpc.aio.Channel
    tls: ssl.SSLContext


class Besieged(NamedTuple):
    """The server's three ports."""

    town: Town
    places: list[Place]

    @classmethod
    async def of(cls, town: Town, phone: Phone, terminal: Actor) -> "Besieged":
        """Connect those who may call, each to the port of its kind."""
        ports = {
            "customer": (town.app.port, phone),
            "terminal": (town.app.terminal_port, terminal),
            "operator": (town.app.operator_port, town.operator),
        }
        places = []
        for caller, (port, actor) in ports.items():
            rpcs = [rpc for rpc in RPCS if rpc.caller == caller and rpc.needs_credentials]
            channel = await town.channel(port, actor.identity)
            places.append(Place(port, rpcs, actor, channel, _tls(town)))
        return cls(town, places)


def _tls(town: Town) -> ssl.SSLContext:
    """Return what a stranger needs to get through the handshake of the port for phones."""
    context = ssl.create_default_context(cadata=town.ca_pem)
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    return context


async def _garbage(place: Place, chance: random.Random) -> None:
    """Send noise where the handshake belongs."""
    async with _connected(place) as (reader, writer):
        start = chance.choice((b"", b"GET / HTTP/1.1\r\n\r\n", _PREFACE, _TLS_HELLO))
        await _send(writer, start + chance.randbytes(chance.randrange(2_000)))
        await _listen(reader)


async def _garbage_inside(place: Place, chance: random.Random) -> None:
    """Send noise after the handshake: HTTP/2 frames of any type and length."""
    async with _connected(place, place.tls) as (reader, writer):
        frames = b"".join(_frame(chance) for _ in range(chance.randint(1, 30)))
        start = chance.choice((b"", _PREFACE, _PREFACE + _SETTINGS, b"POST / HTTP/1.1\r\n\r\n"))
        await _send(writer, start + frames)
        await _listen(reader)


async def _trickle(place: Place, chance: random.Random) -> None:
    """Send the start of a handshake or of HTTP/2 byte by byte, and stop."""
    context = chance.choice((None, place.tls))
    async with _connected(place, context) as (_, writer):
        whole = _PREFACE + _SETTINGS if context else _TLS_HELLO
        for byte in whole[:TRICKLED_BYTES]:
            await _send(writer, bytes([byte]))
            await asyncio.sleep(TRICKLE_SECONDS)


async def _hang_up(place: Place, chance: random.Random) -> None:
    """Connect and go, gracefully or with a reset."""
    async with _connected(place, chance.choice((None, place.tls))) as (_, writer):
        if chance.random() < 0.5:
            writer.transport.abort()


async def _send_too_much(place: Place, chance: random.Random) -> None:
    """Send a message of ten megabytes, which is refused unread."""
    rpc = chance.choice([rpc for rpc in place.rpcs if not rpc.streams])
    method: Any = place.channel.unary_unary(rpc.full_path)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await method(bytes(LARGE_BYTES), metadata=place.actor.metadata, timeout=20)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, refused.value


async def _begin_and_leave(place: Place, chance: random.Random) -> None:
    """Begin a call, never send its message, and leave."""
    rpc = chance.choice([rpc for rpc in place.rpcs if not rpc.streams])
    method: Any = place.channel.stream_unary(rpc.full_path)
    call = method(metadata=place.actor.metadata, timeout=20)
    await call.wait_for_connection()
    await asyncio.sleep(chance.random() * PATIENCE_SECONDS)
    call.cancel()


async def _send_two_messages(place: Place, chance: random.Random) -> None:
    """Send a second message where one belongs."""
    rpc = chance.choice([rpc for rpc in place.rpcs if not rpc.streams])
    method: Any = place.channel.stream_unary(rpc.full_path)
    sent = iter([b"", b"\x0a\x00"])
    with contextlib.suppress(grpc.aio.AioRpcError):
        await method(sent, metadata=place.actor.metadata, timeout=5)


async def _abandon_stream(place: Place, chance: random.Random) -> None:
    """Open a stream, half-closed by its nature, read nothing and leave."""
    streams = [rpc for rpc in place.rpcs if rpc.streams]
    if not streams:
        await _begin_and_leave(place, chance)
        return
    method: Any = place.channel.unary_stream(chance.choice(streams).full_path)
    call = method(b"", metadata=place.actor.metadata, timeout=20)
    await asyncio.sleep(chance.random() * PATIENCE_SECONDS)
    call.cancel()


RUDE_ACTS: Final[Mapping[str, Callable[[Place, random.Random], Awaitable[None]]]] = {
    "noise for a handshake": _garbage,
    "noise inside TLS": _garbage_inside,
    "bytes that trickle": _trickle,
    "hanging up": _hang_up,
    "ten megabytes": _send_too_much,
    "a call without its message": _begin_and_leave,
    "two messages": _send_two_messages,
    "a stream that nobody reads": _abandon_stream,
}


@asynccontextmanager
async def idle_connections(place: Place, count: int) -> AsyncIterator[list[Connection]]:
    """Hold so many connections that say nothing after the handshake, or as many as can be had."""
    at_once = asyncio.Semaphore(50)
    held: list[Connection] = []

    async def open_one() -> None:
        async with at_once:
            with contextlib.suppress(OSError):
                held.append(await asyncio.open_connection(HOST, place.port, ssl=place.tls))

    try:
        await asyncio.gather(*(open_one() for _ in range(count)))
        yield held
    finally:
        for _, writer in held:
            writer.transport.abort()


@asynccontextmanager
async def _connected(
    place: Place, context: ssl.SSLContext | None = None
) -> AsyncIterator[Connection]:
    """Connect; a server that hangs up on such a caller does right."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(HOST, place.port, ssl=context)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _listen(reader: asyncio.StreamReader) -> None:
    """Read what the server says to that, for a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await reader.read(65_536):
                pass


def _frame(chance: random.Random) -> bytes:
    """Return an HTTP/2 frame (RFC 9113, section 4.1) whose length may be a lie."""
    payload = chance.randbytes(chance.choice((0, 1, 8, 64, 300)))
    length = chance.choice((len(payload), len(payload), 2**14, 2**24 - 1))
    kind, flags = chance.randrange(12), chance.randrange(256)
    stream = chance.choice((0, 1, 3, 2**31 - 1))
    return length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
