"""The part of TerminalService that says what to do: ResolveCode."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.errors import NotDone, TallymarkError
from tallymark_server.domain.answers import Answer, ProcessAnswer, RefusedAnswer, SeenProcess
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import refusal
from tallymark_server.services.callers import CALLER
from tallymark_server.services.entrance import may_stand_aside, standing_aside
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.terminal_answers import TerminalAnswers
from tallymark_server.services.terminal_commands import TerminalCommands

__all__ = ["TELEPHONE_ANSWER_SECONDS", "TerminalResolving", "taking_at_least"]

WAIT_MILLISECONDS: Final = 5_000
"""How long ResolveCode waits for a decision unless the terminal says otherwise."""

MARGIN_SECONDS: Final = 0.3
"""Kept back of the caller's deadline, so that the answer arrives before it."""

TELEPHONE_ANSWER_SECONDS: Final = 0.1
"""A telephone number is answered no sooner than this after its arrival.

Finding nobody takes a few milliseconds less than finding somebody and what they have, and who asks
often enough could tell.
"""

_UNDECIDED: Final = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING}

_Context = grpc.aio.ServicerContext[Any, Any]


class TerminalResolving:
    """Resolves codes and telephone numbers."""

    _lane: Lane
    _lookup: Lookup
    _feed: Feed
    _commands: TerminalCommands
    _answers: TerminalAnswers

    async def ResolveCode(
        self, request: contract.ResolveCodeRequest, context: _Context
    ) -> contract.ResolveCodeResponse:
        """Claim the code, decide, and wait a while for what is undecided."""
        if request.identification.WhichOneof("by") != "telephone_number":
            return await self._resolve(request, context)
        async with taking_at_least(TELEPHONE_ANSWER_SECONDS):
            return await self._resolve(request, context)

    async def _resolve(
        self, request: contract.ResolveCodeRequest, context: _Context
    ) -> contract.ResolveCodeResponse:
        command = await self._commands.resolve_code(CALLER.get(), request)
        process = await self._resolved(await self._lane.submit(command))
        wait_seconds = (request.wait_milliseconds or WAIT_MILLISECONDS) / 1000
        remaining_seconds = context.time_remaining()
        if remaining_seconds is not None:
            wait_seconds = min(wait_seconds, remaining_seconds - MARGIN_SECONDS)
        if process.state in _UNDECIDED and may_stand_aside():
            process = await self._wait_for_decision(process, wait_seconds)
        return self._answers.resolved(process)

    async def _resolved(self, answer: Answer) -> Process:
        match answer:
            case ProcessAnswer():
                return as_terminal_sees(answer.process)
            case SeenProcess():
                return await self._lookup.process(answer.process_id)
            case RefusedAnswer():
                raise refusal(answer)
            case _:
                message = "ResolveCode has no other answers"
                raise AssertionError(message)

    async def _wait_for_decision(self, process: Process, wait_seconds: float) -> Process:
        """Return the process when it is decided, or as it stands when the time is over."""
        with self._feed.subscribe(process.process_id) as subscription, standing_aside():
            try:
                async with asyncio.timeout(wait_seconds):
                    process = await self._lookup.process(process.process_id)
                    while process.state in _UNDECIDED:
                        process = as_terminal_sees((await subscription.next())[-1])
            except (TimeoutError, NotDone):
                pass  # the time is over, or the server stops: tell how it stands
        return process


@asynccontextmanager
async def taking_at_least(seconds: float) -> AsyncIterator[None]:
    """Leave the context, also by a refusal, no sooner than this after it was entered."""
    loop = asyncio.get_running_loop()
    ready_at = loop.time() + seconds
    try:
        yield
    except TallymarkError:
        await asyncio.sleep(ready_at - loop.time())
        raise
    await asyncio.sleep(ready_at - loop.time())
