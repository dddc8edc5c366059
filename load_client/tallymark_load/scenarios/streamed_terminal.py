"""A terminal that sends its commands over one Exchange stream, those of many visits in batches.

What is waiting goes out as one batch, without a timer; what arrives meanwhile is the next one. Each
command is measured like a call, from when it was due to its answer.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Final

import grpc

from tallymark.v1 import process_pb2, terminal_service_pb2
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_load.cast import Merchant
from tallymark_load.cast import Terminal as Member
from tallymark_load.scenarios.chain import CallFailed, Chain, outcome_of
from tallymark_load.scenarios.terminal import Terminal, complete_request, update_points_request

__all__ = ["StreamedTerminal"]

_EXCHANGE: Final = "/tallymark.v1.TerminalService/Exchange"
_COMMANDS_MAX: Final = 200
"""The most commands of a batch that the contract allows."""

_Answer = terminal_service_pb2.ExchangeAnswer


class StreamedTerminal(Terminal):
    """Calls as a terminal of a merchant, but what moves a process goes over a stream."""

    def __init__(self, stub: TerminalServiceStub, member: Member, merchant: Merchant) -> None:
        """Take the connection, and which terminal it is; the first command opens the stream."""
        super().__init__(stub, member, merchant)
        self._correlations = itertools.count(1)
        self._waiting: list[terminal_service_pb2.ExchangeCommand] = []
        self._unanswered: dict[int, asyncio.Future[_Answer]] = {}
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._is_closing = False

    async def resolve(
        self, chain: Chain, request: terminal_service_pb2.ResolveCodeRequest
    ) -> process_pb2.Process:
        """Scan: ask what to do."""
        command = terminal_service_pb2.ExchangeCommand(resolve_code=request)
        return (await self._ask(chain, command)).resolve_code.process

    async def complete(self, chain: Chain, process_id: str) -> process_pb2.Receipt:
        """Report that everything was executed."""
        command = terminal_service_pb2.ExchangeCommand(
            complete_process=complete_request(process_id)
        )
        return (await self._ask(chain, command)).complete_process.receipt

    async def update_points(
        self, chain: Chain, process_id: str, *, version: int, new_balance: int
    ) -> process_pb2.Process:
        """Report a changed balance of points."""
        request = update_points_request(process_id, version=version, new_balance=new_balance)
        command = terminal_service_pb2.ExchangeCommand(update_points=request)
        return (await self._ask(chain, command)).update_points.process

    async def close(self) -> None:
        """Close this side of the stream, and wait for its end."""
        self._is_closing = True
        self._news.set()
        if self._reading is not None:
            await self._reading

    async def _ask(self, chain: Chain, command: terminal_service_pb2.ExchangeCommand) -> _Answer:
        """Send a command with the next batch, and wait for its last answer.

        Raises:
            CallFailed: the command failed, or the stream ended before its answer.

        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        command.correlation = next(self._correlations)
        answered = asyncio.get_running_loop().create_future()
        self._unanswered[command.correlation] = answered
        self._waiting.append(command)
        self._news.set()
        with chain.measuring(_EXCHANGE):
            answer: _Answer = await answered
            if answer.HasField("failure"):
                raise CallFailed(_EXCHANGE, answer.failure.reason)
        return answer

    async def _batches(self) -> AsyncIterator[terminal_service_pb2.ExchangeRequest]:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                batch, self._waiting = (
                    self._waiting[:_COMMANDS_MAX],
                    self._waiting[_COMMANDS_MAX:],
                )
                yield terminal_service_pb2.ExchangeRequest(commands=batch)
            if self._is_closing:
                return

    async def _read(self) -> None:
        outcome = "ENDED"
        try:
            async for response in self._stub.Exchange(self._batches(), metadata=self._metadata):
                self._take(response)
        except grpc.aio.AioRpcError as error:
            outcome = outcome_of(error)
        for answered in self._unanswered.values():
            if not answered.done():
                answered.set_exception(CallFailed(_EXCHANGE, outcome))
        self._unanswered.clear()
        self._waiting.clear()
        self._reading = None

    def _take(self, response: terminal_service_pb2.ExchangeResponse) -> None:
        """Hand last answers to whoever still waits for them."""
        for answer in response.answers:
            if not answer.more:
                answered = self._unanswered.pop(answer.correlation)
                if not answered.done():
                    answered.set_result(answer)
