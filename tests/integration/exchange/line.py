"""A stream of commands, as a concentrator holds one."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tallymark.v1.terminal_service_pb2 import (
    ExchangeAnswer,
    ExchangeCommand,
    ExchangeRequest,
    ExchangeResponse,
)
from tallymark_protocol.errors import TallymarkError, from_call
from tests.world.actor import DEADLINE_SECONDS
from tests.world.terminal import Terminal

__all__ = ["Line", "opened", "resolving"]


class Line:
    """An open stream; what comes is kept in the order of its arrival."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.answers: list[ExchangeAnswer] = []
        self.responses: list[ExchangeResponse] = []

    async def send(self, *commands: ExchangeCommand) -> None:
        """Send one batch."""
        await self.call.write(ExchangeRequest(commands=commands))

    async def receive(self, count: int) -> list[ExchangeAnswer]:
        """Wait until so many answers have come since the last time, and return them."""
        while len(self.answers) < count:
            response = await self._read()
            assert response is not grpc.aio.EOF, f"{len(self.answers)} of {count} answers came"
            self.responses.append(response)
            self.answers += response.answers
        came, self.answers = self.answers[:count], self.answers[count:]
        return came

    async def ask(self, *commands: ExchangeCommand) -> list[ExchangeAnswer]:
        """Send one batch, and return its answers in the order of their correlations."""
        await self.send(*commands)
        answers = await self.receive(len(commands))
        return sorted(answers, key=lambda answer: answer.correlation)

    async def end(self) -> list[ExchangeAnswer]:
        """Send no more, and return what comes until the stream ends well."""
        await self.call.done_writing()
        rest, self.answers = self.answers, []
        while (response := await self._read()) is not grpc.aio.EOF:
            rest += response.answers
        assert await self.call.code() is grpc.StatusCode.OK
        return rest

    async def reason(self) -> str:
        """Wait for the end, which is to be an error, and return its reason."""
        try:
            while await self._read() is not grpc.aio.EOF:
                pass
        except TallymarkError as error:
            return str(error.reason)
        return "OK"

    async def _read(self) -> Any:
        try:
            return await self.call.read()
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None


@asynccontextmanager
async def opened(terminal: Terminal) -> AsyncIterator[Line]:
    """Open a stream of a terminal, and break it in the end unless it has ended."""
    call = terminal.stub.Exchange(timeout=DEADLINE_SECONDS)
    try:
        yield Line(call)
    finally:
        call.cancel()


def resolving(
    requests: Iterable[Any], *, terminal_id: str = "", first: int = 0
) -> list[ExchangeCommand]:
    """Return commands with these requests of ResolveCode, numbered from `first` on."""
    return [
        ExchangeCommand(correlation=number, terminal_id=terminal_id, resolve_code=request)
        for number, request in enumerate(requests, start=first)
    ]
