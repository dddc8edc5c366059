"""Calls of the double of the TerminalService: checked, kept, and lost or held up at will."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import grpc
import protovalidate
from google.protobuf.message import Message
from grpc_status import rpc_status

from tallymark.v1 import terminal_service_pb2 as pb
from tallymark_protocol.errors import Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason
from tests.doubles.journal import JournalDouble
from tests.doubles.terminal_access import Context, TerminalAccess

__all__ = ["TerminalCalls"]

Response = TypeVar("Response", bound=Message)
ChangingRequest: TypeAlias = (
    pb.CompleteProcessRequest
    | pb.RenewCertificateRequest
    | pb.ReverseProcessRequest
    | pb.UpdatePointsRequest
)


class TerminalCalls:
    """Does the work of each call, unless a test has said what becomes of the call."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        self.now = now
        self.access = TerminalAccess(now=now)
        self.journal = JournalDouble(now=now)
        self.calls: list[tuple[str, Any]] = []
        self.lost_requests: Counter[str] = Counter()
        """How many requests of each RPC never arrive."""
        self.lost_answers: Counter[str] = Counter()
        """How many requests of each RPC do their work and are not answered."""
        self.lost_answer_revokes = False
        """Whether the terminal is revoked when an answer is lost."""
        self.errors: defaultdict[str, deque[TallymarkError]] = defaultdict(deque)
        """Errors for the next calls of each RPC, instead of work."""
        self.hangs_before: str | None = None
        self.hangs_after: str | None = None
        self.hanging = asyncio.Event()
        """Set when a call hangs or is held up."""
        self.held_up: dict[str, asyncio.Event] = {}
        """Calls of these RPCs wait for the event before they do their work."""
        self._answers: dict[tuple[str, str], tuple[Message, Message]] = {}

    def requests(self, rpc: str) -> list[Any]:
        """Return the requests of one RPC that arrived, in order."""
        return [request for name, request in self.calls if name == rpc]

    async def _do_once(
        self, rpc: str, request: ChangingRequest, context: Context, work: Callable[[], Response]
    ) -> Response:
        """Do the work once per request_id; the same id gives the same answer, an error too."""

        def once() -> Response:
            key = (rpc, request.request_id)
            if key in self._answers:
                asked, answer = self._answers[key]
                if asked != request:
                    raise Refused(Reason.REQUEST_ID_REUSED)
                return answer  # type: ignore[return-value] # what `work` gave
            done = work()
            copy = type(done)()
            copy.CopyFrom(done)
            self._answers[key] = (request, copy)
            return copy

        return await self._do(rpc, request, context, once)

    async def _do(
        self, rpc: str, request: Message, context: Context, work: Callable[[], Response]
    ) -> Response:
        if self.hangs_before == rpc:
            await self._hang()
        if self.lost_requests[rpc]:
            self.lost_requests[rpc] -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way there")
        self.calls.append((rpc, request))
        protovalidate.validate(request)
        if rpc in self.held_up:
            self.hanging.set()
            await self.held_up[rpc].wait()
        try:
            if rpc != "Enroll":
                self.access.check(context)
            if self.errors[rpc]:
                raise self.errors[rpc].popleft()
            answer = work()
        except TallymarkError as error:
            status = rpc_status.to_status(to_status(error))
            await context.abort_with_status(status)
        if self.hangs_after == rpc:
            await self._hang()
        if self.lost_answers[rpc]:
            self.lost_answers[rpc] -= 1
            if self.lost_answer_revokes:
                self.access.revoke()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way back")
        context.set_trailing_metadata((("tallymark-checkpoint", str(self.journal.grow())),))
        return answer

    async def _hang(self) -> None:
        self.hanging.set()
        await asyncio.Event().wait()
