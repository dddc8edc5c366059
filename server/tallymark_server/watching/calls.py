"""Counts the calls of a server: how many, how they ended, how long they took.

It stands around the interceptor's own steps, so it sees what the caller gets: a refusal with its
reason, a fault as INTERNAL, and a call that its caller gave up as CANCELLED or DEADLINE_EXCEEDED.
What gRPC answers by itself (unknown methods, requests that are too large) never gets here.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from time import perf_counter
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import Message

from tallymark.v1.terminal_service_pb2 import ExchangeResponse
from tallymark_server.watching.histogram import Histogram
from tallymark_server.watching.outcome import OK, Outcome, outcome_of
from tallymark_server.watching.stream_answers import AnswerCounts, count_answers
from tallymark_server.watching.under_way import UNDER_WAY, UnderWay

__all__ = ["CALL_SECONDS", "CallWatch", "MethodCalls", "Spans"]

CALL_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
"""A scan takes milliseconds; one that waits for the customer or the institution, seconds."""

_log = logging.getLogger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]
_Unary = Callable[[Any, _Context], Awaitable[Message]]
_Stream = Callable[[Any, _Context], AsyncIterator[Message]]


class Spans(Protocol):
    """Traces the calls of handlers."""

    def unary(self, handle: _Unary, path: str) -> _Unary:
        """Return the handler with a span around each call."""
        ...

    def stream(self, handle: _Stream, path: str) -> _Stream:
        """Return the handler with a span around each stream."""
        ...


class MethodCalls:
    """What became of the calls of one method."""

    __slots__ = ("done", "failed", "is_stream", "messages", "method", "seconds", "under_way")

    def __init__(self, method: str, *, is_stream: bool) -> None:
        """Start with none."""
        self.method = method
        self.is_stream = is_stream
        self.under_way = 0
        self.done = 0
        self.failed: dict[Outcome, int] = {}
        self.seconds = Histogram(CALL_SECONDS)
        """Of calls with one answer; a stream lasts as long as its caller likes."""

        self.messages = 0
        """Sent on streams."""

    def fail(self, outcome: Outcome) -> None:
        """Count a call that was not answered with OK."""
        self.failed[outcome] = self.failed.get(outcome, 0) + 1


class CallWatch:
    """Wraps handlers so that their calls are counted; one for all ports of a server."""

    def __init__(self, spans: Spans | None = None) -> None:
        """Start with no calls; take what traces them, if anything does."""
        self.answers: AnswerCounts = {}
        """What became of commands in streams."""

        self._spans = spans
        self._methods: dict[str, MethodCalls] = {}

    @property
    def methods(self) -> list[MethodCalls]:
        """Every method that was called, or is ready to be."""
        return list(self._methods.values())

    def unary(self, handle: _Unary, path: str) -> _Unary:
        """Count the calls of a handler with one answer; adds about 1.5 us to each."""
        calls = self._calls_of(path, is_stream=False)
        method, observe = calls.method, calls.seconds.observe
        is_told = _log.isEnabledFor(logging.DEBUG)
        handle = self._spans.unary(handle, path) if self._spans else handle

        async def around(request: Message | None, context: _Context) -> Message:
            UNDER_WAY.set(UnderWay(method, request))
            calls.under_way += 1
            ended = OK
            began = perf_counter()
            try:
                response = await handle(request, context)
                calls.done += 1
            except BaseException as error:
                ended = outcome_of(error, context)
                calls.fail(ended)
                raise
            finally:
                calls.under_way -= 1
                seconds = perf_counter() - began
                observe(seconds)
                if is_told:
                    _log.debug("ended with %s after %.1f ms", ended.name, seconds * 1000)
            return response

        return around

    def stream(self, handle: _Stream, path: str) -> _Stream:
        """Count the calls of a handler with many answers, whatever it is sent."""
        calls = self._calls_of(path, is_stream=True)
        method = calls.method
        is_told = _log.isEnabledFor(logging.DEBUG)
        handle = self._spans.stream(handle, path) if self._spans else handle

        async def around(request: object, context: _Context) -> AsyncIterator[Message]:
            UNDER_WAY.set(UnderWay(method, request))
            calls.under_way += 1
            ended = OK
            try:
                async with aclosing(aiter(handle(request, context))) as responses:  # type: ignore[type-var]  # handlers are generators
                    async for response in responses:
                        calls.messages += 1
                        if isinstance(response, ExchangeResponse):
                            count_answers(response, self.answers)
                        yield response
                calls.done += 1
            except BaseException as error:
                ended = outcome_of(error, context)
                calls.fail(ended)
                raise
            finally:
                calls.under_way -= 1
                if is_told:
                    _log.debug("ended with %s", ended.name)

        return around

    def _calls_of(self, path: str, *, is_stream: bool) -> MethodCalls:
        """Return the counts of a method in the form `/package.Service/Method`, on any port."""
        method = path.rpartition(".")[2]
        return self._methods.setdefault(method, MethodCalls(method, is_stream=is_stream))
