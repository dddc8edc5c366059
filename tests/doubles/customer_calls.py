"""Calls of the double of the CustomerService: checked, answered once, and failed at will."""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
import protovalidate
from google.protobuf.message import Message
from grpc_status import rpc_status

from tallymark_protocol.errors import RETRY_PUSHBACK_KEY, Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_facts import CHECKPOINT

__all__ = ["Context", "CustomerCalls"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Response = TypeVar("Response", bound=Message)

CHECKPOINT_KEY = "tallymark-checkpoint"


class CustomerCalls:
    """Gives each call its effect once, unless a test has said what becomes of the call."""

    def __init__(self) -> None:
        """Start with all well."""
        self.checkpoint = CHECKPOINT
        """What each answer carries; "" for nothing."""
        self.calls: list[Message] = []
        self.done: Counter[str] = Counter()
        """How often each kind of request had its effect."""
        self.tokens: list[str] = []
        """What each call presented as its credentials."""
        self.lose_answers = 0
        """How many calls do their work and end without an answer."""
        self.fail_next_with: list[TallymarkError] = []
        """Errors for the next calls, in order, instead of answers."""
        self.pushback_milliseconds: int | None = None
        self.on_call: Callable[[Message], None] = lambda _: None
        """What a test does when a call arrives, before anything comes of it."""
        self._answers: dict[str, tuple[Message, Message]] = {}

    async def _do(
        self, request: Message, context: Context, effect: Callable[[], Response]
    ) -> Response:
        """Answer a call: the same answer for the same request_id, else what the effect gives."""
        await self._note(request, context)
        request_id = str(getattr(request, "request_id", ""))
        known = self._answers.get(request_id) if request_id else None
        if known and known[0] != request:
            await self._fail(context, Refused(Reason.REQUEST_ID_REUSED))
        if known is None:
            try:
                response = effect()
            except TallymarkError as error:
                await self._fail(context, error)
            self.done[type(request).__name__] += 1
            if request_id:
                self._answers[request_id] = (request, copy.deepcopy(response))
        else:
            response = known[1]  # type: ignore[assignment] # of the same call, so of its type
        if self.lose_answers:
            self.lose_answers -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        context.set_trailing_metadata(self._trailing())
        return response

    async def _note(self, request: Message, context: Context) -> None:
        self.calls.append(request)
        self.on_call(request)
        metadata = dict(context.invocation_metadata() or ())
        self.tokens.append(str(metadata.get("authorization", "")))
        try:
            protovalidate.validate(request)
        except protovalidate.ValidationError as invalid:
            fields = [
                (".".join(part.field_name for part in path.elements), found.proto.message)
                for found in invalid.violations
                if (path := found.proto.field)
            ]
            await self._fail(context, Refused(Reason.REQUEST_INVALID, violations=fields))
        if self.fail_next_with:
            trailing: tuple[tuple[str, str], ...] = ()
            if self.pushback_milliseconds is not None:
                trailing = ((RETRY_PUSHBACK_KEY, str(self.pushback_milliseconds)),)
            await self._fail(context, self.fail_next_with.pop(0), *trailing)

    def _trailing(self) -> tuple[tuple[str, str], ...]:
        return ((CHECKPOINT_KEY, self.checkpoint),) if self.checkpoint else ()

    async def _fail(
        self, context: Context, error: TallymarkError, *trailing: tuple[str, str]
    ) -> NoReturn:
        status = rpc_status.to_status(to_status(error))
        await context.abort(
            status.code,
            status.details,
            trailing_metadata=(*status.trailing_metadata, *self._trailing(), *trailing),
        )
        raise AssertionError
