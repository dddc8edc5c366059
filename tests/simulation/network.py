"""The lines between machines: channels in the place of those of grpc.aio, in some weather."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.calls import Call, Stream, Wanted
from tests.simulation.hosts import Handled, Host, Trailing
from tests.simulation.notes import Notes
from tests.simulation.virtual_loop import LIFE, Life, VirtualLoop
from tests.simulation.weather import Weather

__all__ = ["Channel", "Network"]


class Network:
    """Carries calls between machines, in the weather of this run."""

    def __init__(self, loop: VirtualLoop, chance: Random, weather: Weather, notes: Notes) -> None:
        """Take the time, the dice, what goes wrong, and where it is told."""
        self.loop = loop
        self.chance = chance
        self.weather = weather
        self.notes = notes
        self.hosts: dict[str, Host] = {}
        self.credentials: dict[str, Trailing] = {}
        """What each machine proves by its connection."""

        self.stored: set[str] = set()
        """Methods whose requests something on the way may keep, and hand on much later."""

        self.hear: Callable[[Call, Handled], None] = lambda *_: None
        """Gets every answer of a unary call when it leaves its host."""

    def channel(self, address: str, **_: object) -> Any:
        """Return a channel of whoever asks for it, in the place of one of grpc.aio."""
        return Channel(self, LIFE.get(), address)

    def later(self, seconds: float, what: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Do something that belongs to nobody's life."""
        return self.loop.call_later(seconds, what, *args, context=self.loop.nobody.context.copy())


class Channel:
    """The calls of one program to one address, as grpc.aio.Channel."""

    def __init__(self, network: Network, life: Life, address: str) -> None:
        """Connect nothing yet."""
        self.before_call: Callable[[], None] = lambda: None
        """Is called before anything is sent."""

        self._network = network
        self._life = life
        self._address = address

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        **_: object,
    ) -> Callable[..., Call]:
        """Return what makes calls of a method."""
        return self._caller(Call, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        **_: object,
    ) -> Callable[..., Call]:
        """Return what opens streams of a method."""
        return self._caller(Stream, method, request_serializer, response_deserializer)

    def stream_stream(self, *_: object, **__: object) -> None:
        """Nobody here opens streams both ways; the generated stub asks for them all the same."""

    async def close(self, grace: float | None = None) -> None:
        """Hang up; what is under way here ends by its own deadline."""

    def _caller(
        self,
        kind: type[Call],
        method: str,
        write: Callable[[Any], bytes],
        read: Callable[[bytes], Any],
    ) -> Callable[..., Call]:
        def call(request: object, *, timeout: float | None = None, metadata: Trailing = ()) -> Call:
            self.before_call()
            known = self._network.credentials.get(self._life.name, ())
            wanted = Wanted(
                life=self._life,
                host=self._address,
                method=method,
                request=write(request),
                read=read,
                timeout=timeout,
                metadata=(*metadata, *known),
            )
            made = kind(self._network, wanted)
            made.send()
            return made

        return call
