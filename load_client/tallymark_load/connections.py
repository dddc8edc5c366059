"""Connections to what is under load: each a channel of its own, over TLS or in plain text."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

import grpc

from tallymark_protocol.tls import ClientIdentity, open_channel

__all__ = ["Connections", "Route"]

_MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
"""A recording may hold larger messages than gRPC takes by default."""

_OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    # Without this, channels to one address share one connection.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    # An answer counts as it came, and is never asked for twice behind the measurement's back.
    ("grpc.enable_retries", 0),
)


class Route(NamedTuple):
    """Where a caller's calls go, HOST:PORT, and the certificate that they are made with."""

    address: str
    identity: ClientIdentity | None = None


class Connections:
    """Up to `count` connections for each route; with a ramp, they are taken into use one by one."""

    def __init__(  # noqa: PLR0913 -- what connections differ in
        self,
        *,
        count: int = 1,
        ca_pem: str = "",
        is_plain: bool = False,
        ramp_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        """Open nothing yet. Without `ca_pem`, whom the system trusts is trusted."""
        self._count = count
        self._ca_pem = ca_pem
        self._is_plain = is_plain
        self._ramp_seconds = ramp_seconds
        self._clock = clock
        self._interceptors = interceptors
        self._began: float | None = None
        self._channels: dict[tuple[Route, int], grpc.aio.Channel] = {}
        self._numbers: dict[tuple[Route, int], int] = {}

    async def __aenter__(self) -> Self:
        """Give the connections; they close at the end."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection, and cancel what is still under way on it."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        self._channels.clear()

    def channel(self, route: Route, place: int = 0) -> grpc.aio.Channel:
        """Return the connection of a place on a route: the same one every time."""
        number = self._numbers.get((route, place))
        if number is None:
            number = self._numbers[route, place] = place % self._in_use()
        return self._numbered(route, number)

    async def open(self, routes: Iterable[Route], *, wait_seconds: float = 20.0) -> None:
        """Make the connections of these routes before the first call, unless a ramp makes them.

        Raises:
            TimeoutError: a server did not take all of them in this time.

        """
        count = 1 if self._ramp_seconds else self._count
        channels = [self._numbered(route, number) for route in routes for number in range(count)]
        async with asyncio.timeout(wait_seconds):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))

    def _in_use(self) -> int:
        """Return how many connections of each route the ramp has come to."""
        if self._began is None:
            self._began = self._clock()
        if not self._ramp_seconds:
            return self._count
        done = (self._clock() - self._began) / self._ramp_seconds
        return min(self._count, max(1, math.ceil(self._count * done)))

    def _numbered(self, route: Route, number: int) -> grpc.aio.Channel:
        channel = self._channels.get((route, number))
        if channel is None:
            channel = self._channels[route, number] = self._open(route)
        return channel

    def _open(self, route: Route) -> grpc.aio.Channel:
        if self._is_plain:
            return grpc.aio.insecure_channel(
                route.address, options=_OPTIONS, interceptors=self._interceptors
            )
        return open_channel(
            route.address,
            ca_certificates_pem=self._ca_pem,
            identity=route.identity,
            options=_OPTIONS,
            interceptors=self._interceptors,
        )
