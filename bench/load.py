"""Prepared calls, made from a process of their own: as fast as answers come, or at a steady rate.

Requests are bytes and answers stay bytes, so that the caller costs less than the server. Whether it
was the limit all the same, its own processor time tells (`Played.load_share`).
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import grpc
import uvloop

from tallymark_protocol.tls import ClientIdentity, open_channel

__all__ = ["AT_ONCE", "Address", "Call", "Played", "Script", "play"]

DEADLINE_SECONDS: Final = 30.0

AT_ONCE: Final = 64
"""Callers who wait for an answer at any moment, unless a script says otherwise."""


class Address(NamedTuple):
    """Where to call, and as whom."""

    target: str
    ca_pem: str
    identity: ClientIdentity | None = None


class Call(NamedTuple):
    """One unary call."""

    method: str
    """Path of the RPC, as in `/tallymark.v1.TerminalService/ResolveCode`."""

    request: bytes
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def rpc(self) -> str:
        """Name of the RPC, without its service."""
        return self.method.rpartition("/")[2]


class Script(NamedTuple):
    """What to play: each item is one call, or several that follow each other, as a sale has two."""

    address: Address
    items: Sequence[Sequence[Call]]
    at_once: int = AT_ONCE
    """Items under way, each of which is followed by the next one (closed loop)."""

    per_second: float = 0.0
    """If set, items begin at this rate, whatever the answers do (open loop)."""


class Played(NamedTuple):
    """What it took. A call that fails ends all: its script was wrong."""

    seconds: float
    milliseconds: Sequence[float]
    """How long each item took; in the open loop counted from the moment at which it was due."""

    load_share: float
    """Processor time of the caller for each second; near 1 the caller was the limit."""

    answers: Sequence[Sequence[bytes]]
    """What was answered: for each item, the answer to each of its calls."""


def play(script: Script) -> Played:
    """Play the script on a connection of its own, and wait for all answers."""
    return uvloop.run(_play(script))


async def _play(script: Script) -> Played:
    address = script.address
    async with open_channel(
        address.target, ca_certificates_pem=address.ca_pem, identity=address.identity
    ) as channel:
        await channel.channel_ready()
        stage = _Stage(channel, script)
        processor, began = time.process_time(), time.perf_counter()
        await (stage.steadily() if script.per_second else stage.closely())
        seconds = time.perf_counter() - began
        load_share = (time.process_time() - processor) / seconds
    return Played(seconds, stage.milliseconds, load_share, stage.answers)


class _Stage:
    """A connection, and what came back on it."""

    def __init__(self, channel: grpc.aio.Channel, script: Script) -> None:
        self._script = script
        methods = {call.method for item in script.items for call in item}
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {
            method: channel.unary_unary(method) for method in methods
        }
        self.milliseconds = [0.0] * len(script.items)
        self.answers: list[list[bytes]] = [[] for _ in script.items]

    async def closely(self) -> None:
        numbers = iter(range(len(self._script.items)))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._script.at_once):
                tasks.create_task(self._follow(numbers))

    async def steadily(self) -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(len(self._script.items)):
                due = began + number / self._script.per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(self._item(number, due))

    async def _follow(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._item(number, time.perf_counter())

    async def _item(self, number: int, due: float) -> None:
        for method, request, metadata in self._script.items[number]:
            answer = await self._methods[method](
                request, metadata=metadata, timeout=DEADLINE_SECONDS
            )
            self.answers[number].append(answer)
        self.milliseconds[number] = 1000 * (time.perf_counter() - due)
