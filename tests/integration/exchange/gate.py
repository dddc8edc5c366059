"""The part of a server that serves streams, driven by hand, so that everything can be counted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Self

from tallymark.v1.terminal_service_pb2 import ExchangeCommand, ExchangeRequest, ExchangeResponse
from tallymark_server.domain.commands import Caller, Command
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.services.exchange import Exchange
from tests.integration.exchange.line import resolving
from tests.world.actions import READ_POINTS
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["Gate", "turns"]

TURNS = 300
"""Turns of the event loop after which whatever could go on has gone on."""


class Gate:
    """Two terminals of the cafe and a customer; what the lane is handed is written down."""

    world: World
    exchange: Exchange
    phone: Phone
    terminals: list[Terminal]

    @classmethod
    async def open(cls, world: World, exchange: Exchange) -> Self:
        gate = cls()
        gate.world = world
        gate.exchange = exchange
        gate.phone = await world.add_phone()
        gate.terminals = [await world.add_terminal("till-1"), await world.add_terminal("till-2")]
        gate.at_work = []
        gate.may_save = asyncio.Event()
        gate.may_save.set()
        gate._watch()
        return gate

    at_work: list[Command]
    """Every command that a stream has handed to the lane, in order."""

    may_save: asyncio.Event
    """Clear it, and nothing is committed until it is set again."""

    def stream(self, terminal: int = 0) -> "Driven":
        """Return a stream of one of the terminals."""
        caller = Caller(
            kind=CallerKind.TERMINAL,
            caller_id=self.terminals[terminal].terminal_id,
            merchant_id="cafe",
        )
        return Driven(self.exchange, caller)

    async def scans(self, count: int) -> list[ExchangeCommand]:
        """Return commands that read points; all but the last have codes that are revoked."""
        till = self.terminals[0]
        return resolving(
            [till.resolve_request(await self.phone.issue(), READ_POINTS) for _ in range(count)]
        )

    def _watch(self) -> None:
        lane, store = self.world.app.lane, self.world.store
        submit_all, save = lane.submit_all, store.save

        async def submit(commands: Sequence[Command]) -> Any:
            self.at_work += commands
            return await submit_all(commands)

        async def wait_and_save(*given: Any) -> None:
            await self.may_save.wait()
            await save(*given)

        lane.submit_all = submit  # type: ignore[method-assign]  # the gate stands before it
        store.save = wait_and_save  # type: ignore[method-assign,assignment]  # the same


class Driven:
    """A stream whose requests are counted as they are taken, and answers taken one by one."""

    def __init__(self, exchange: Exchange, caller: Caller) -> None:
        self.taken = 0
        self.is_read = asyncio.Event()
        self._requests: asyncio.Queue[ExchangeRequest | None] = asyncio.Queue()
        self.responses: AsyncGenerator[ExchangeResponse] = exchange.serve(caller, self._sent())

    def send(self, *commands: ExchangeCommand) -> None:
        """Send one batch."""
        self._requests.put_nowait(ExchangeRequest(commands=commands))

    def close(self) -> None:
        """Send no more."""
        self._requests.put_nowait(None)

    async def rest(self) -> list[int]:
        """Take all answers that there are until the stream ends; return their correlations."""
        return [
            answer.correlation async for response in self.responses for answer in response.answers
        ]

    async def _sent(self) -> AsyncIterator[ExchangeRequest]:
        while (request := await self._requests.get()) is not None:
            self.taken += 1
            self.is_read.set()
            yield request


async def turns() -> None:
    """Let everything go on that can."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
