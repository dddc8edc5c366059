"""A terminal behind a line that fails, which does what the contract tells terminals to do.

It writes down what it sends before it is sent. After an unknown answer it asks what became of the
request and sends it again, the same in every field; it gives up only by ReverseProcess.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1 import terminal_service_pb2_grpc
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.chaos.history import History
from tests.chaos.models import Answer, Kind
from tests.chaos.proxy import FaultProxy, fault_proxy
from tests.world.messages import by_request, new_id
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["QUICK_LINES", "Desk", "Presentation", "open_desks", "until_answered"]

QUICK_LINES: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 200),
)
"""Channels that find back soon: by themselves they wait for up to two minutes."""

RETRY_WAIT_SECONDS: Final = 0.1
"""Between two tries. Programs wait for a second; what is tried here is how often, not how long."""

_STATES: Final = {
    p.PROCESS_STATE_COMPLETED: Answer.DONE,
    p.PROCESS_STATE_DECLINED: Answer.ENDED,
    p.PROCESS_STATE_RELEASED: Answer.ENDED,
    p.PROCESS_STATE_EXPIRED: Answer.ENDED,
}
"""Answers by state; in all other states a process is open."""

_REASONS: Final = {
    Reason.CODE_ALREADY_CLAIMED: Answer.LOST,
    Reason.REQUEST_REVERSED: Answer.BARRED,
    Reason.PROCESS_NOT_INSTRUCTED: Answer.ENDED,
    Reason.PROCESS_CONTESTED: Answer.FROZEN,
}

_KNOWLEDGE: Final = {
    t.PROCESS_KNOWLEDGE_NEVER_SEEN: Answer.NEVER_SEEN,
    t.PROCESS_KNOWLEDGE_REVERSED_UNSEEN: Answer.BARRED,
}

_REVERSALS: Final = {
    t.REVERSAL_OUTCOME_NEVER_SEEN: Answer.NEVER_SEEN,
    t.REVERSAL_OUTCOME_RELEASED: Answer.ENDED,
    t.REVERSAL_OUTCOME_COMPENSATED: Answer.DONE,
    t.REVERSAL_OUTCOME_COMPENSATING: Answer.DONE,
}


@dataclass
class Presentation:
    """A code shown at a desk: everything that may be sent about it, and what is known."""

    code_name: str
    resolve: t.ResolveCodeRequest = field(repr=False)
    complete: t.CompleteProcessRequest = field(repr=False)
    reverse: t.ReverseProcessRequest = field(repr=False)
    look_up: t.GetProcessRequest = field(repr=False)
    answers: dict[Kind, str] = field(default_factory=dict)
    process: p.Process | None = field(default=None, repr=False)
    receipt: p.Receipt | None = field(default=None, repr=False)

    @property
    def request_id(self) -> str:
        return self.resolve.request_id


@dataclass(frozen=True)
class Desk:
    """A terminal, its line, and where it writes down what it does."""

    till: Terminal
    proxy: FaultProxy
    history: History
    deadline_seconds: float = 10.0
    """After which an answer is unknown."""

    def present(self, code_name: str, code: str, *actions: a.Action, **more: Any) -> Presentation:
        """Return a code that was read and written down, before anything is sent."""
        resolve = self.till.resolve_request(code, *actions, **more)
        reference = by_request(code, resolve.request_id)
        return Presentation(
            code_name=code_name,
            resolve=resolve,
            complete=t.CompleteProcessRequest(request_id=new_id(), reference=reference),
            reverse=t.ReverseProcessRequest(request_id=new_id(), reference=reference),
            look_up=t.GetProcessRequest(reference=reference),
        )

    async def claim(self, shown: Presentation) -> str | None:
        """Ask once what to do. None: nobody knows what became of it."""
        return await self._try(shown, Kind.CLAIM, "ResolveCode", shown.resolve, _of_process)

    async def complete(self, shown: Presentation) -> str | None:
        """Report once that it was executed."""
        return await self._try(shown, Kind.COMPLETE, "CompleteProcess", shown.complete, _of_process)

    async def reverse(self, shown: Presentation) -> str | None:
        """Give up or take back, once."""
        return await self._try(shown, Kind.REVERSE, "ReverseProcess", shown.reverse, _of_reversal)

    async def look_up(self, shown: Presentation) -> str | None:
        """Ask once what became of the claim."""
        return await self._try(shown, Kind.LOOK_UP, "GetProcess", shown.look_up, _of_look_up)

    async def _try(
        self,
        shown: Presentation,
        kind: Kind,
        rpc: str,
        request: Any,
        read: Callable[[Any], str],
    ) -> str | None:
        place = self.history.called(shown.code_name, kind, shown.request_id)
        try:
            answer = await self.till.call(rpc, request, deadline=self.deadline_seconds)
        except UnknownOutcome:
            return None
        except Refused as no:
            heard: str = _REASONS.get(no.reason, str(no.reason)) if no.reason else "no reason"
        else:
            heard = read(answer)
            if answer.HasField("process"):
                shown.process = answer.process
            if kind in {Kind.COMPLETE, Kind.LOOK_UP} and answer.HasField("receipt"):
                shown.receipt = answer.receipt
        self.history.answered(place, heard)
        shown.answers[kind] = heard
        return heard


async def until_answered(desk: Desk, shown: Presentation, kind: Kind) -> str:
    """Try until there is an answer. A claim that has none is asked after before it is repeated."""
    tries = {
        Kind.CLAIM: desk.claim,
        Kind.COMPLETE: desk.complete,
        Kind.REVERSE: desk.reverse,
        Kind.LOOK_UP: desk.look_up,
    }
    while (heard := await tries[kind](shown)) is None:
        await asyncio.sleep(RETRY_WAIT_SECONDS)
        if kind is Kind.CLAIM:
            await desk.look_up(shown)
    return heard


@asynccontextmanager
async def open_desks(world: World, history: History, count: int) -> AsyncIterator[list[Desk]]:
    """Add terminals to a world, each behind a line of its own."""
    async with AsyncExitStack() as stack:
        desks = []
        for number in range(count):
            till = await world.add_terminal(f"desk-{number}")
            proxy = await stack.enter_async_context(fault_proxy(world.app.terminal_port))
            channel = await world.channel(proxy.port, till.identity, QUICK_LINES)
            till.stub = terminal_service_pb2_grpc.TerminalServiceStub(channel)
            desks.append(Desk(till, proxy, history))
        yield desks


def _of_process(answer: Any) -> str:
    return _STATES.get(answer.process.state, Answer.WON)


def _of_reversal(answer: t.ReverseProcessResponse) -> str:
    return _REVERSALS.get(answer.outcome, f"outcome {answer.outcome}")


def _of_look_up(answer: t.GetProcessResponse) -> str:
    if answer.knowledge == t.PROCESS_KNOWLEDGE_FOUND:
        return _of_process(answer)
    if answer.knowledge == t.PROCESS_KNOWLEDGE_FAILED:
        return _REASONS.get(Reason(answer.failed_reason), answer.failed_reason)
    return _KNOWLEDGE[answer.knowledge]
