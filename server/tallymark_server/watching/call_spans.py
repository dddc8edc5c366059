"""A span for each call, with the names of OpenTelemetry's conventions for RPC servers.

A refusal is an answer and no error, however often it happens. An error is what the server did not
manage: INTERNAL, UNAVAILABLE, UNKNOWN, or an answer after the caller's deadline.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from tallymark_server.services.callers import CALLER
from tallymark_server.watching import telemetry as otel
from tallymark_server.watching.outcome import OK, Outcome, outcome_of
from tallymark_server.watching.under_way import UNDER_WAY

__all__ = ["CallSpans"]

ERRORS: Final = {
    "DEADLINE_EXCEEDED",
    "DATA_LOSS",
    "INTERNAL",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "UNKNOWN",
}
"""Statuses that are errors of a server, by the conventions for gRPC."""

_PARENT: Final = ("traceparent", "tracestate")
"""Metadata by which a caller says which trace its call is part of (W3C Trace Context)."""

_Context = grpc.aio.ServicerContext[Any, Any]


class CallSpans:
    """Wraps handlers; the watch of calls stands around it."""

    def __init__(self, tracer: otel.trace.Tracer) -> None:
        """Take what makes spans."""
        self._tracer = tracer
        self._propagator = otel.TraceContextTextMapPropagator()

    def unary(
        self, handle: Callable[[Any, _Context], Awaitable[Message]], path: str
    ) -> Callable[[Any, _Context], Awaitable[Message]]:
        """Trace the calls of a handler with one answer."""

        async def around(request: object, context: _Context) -> Message:
            span = self._begin(path, context)
            try:
                response = await handle(request, context)
            except BaseException as error:
                _end(span, outcome_of(error, context))
                raise
            _end(span, OK)
            return response

        return around

    def stream(
        self, handle: Callable[[Any, _Context], AsyncIterator[Message]], path: str
    ) -> Callable[[Any, _Context], AsyncIterator[Message]]:
        """Trace the calls of a handler with many answers; such a span lasts as long as they do."""

        async def around(request: object, context: _Context) -> AsyncIterator[Message]:
            span = self._begin(path, context)
            try:
                async with aclosing(aiter(handle(request, context))) as responses:  # type: ignore[type-var]  # handlers are generators
                    async for response in responses:
                        yield response
            except BaseException as error:
                _end(span, outcome_of(error, context))
                raise
            _end(span, OK)

        return around

    def _begin(self, path: str, context: _Context) -> otel.trace.Span:
        """Begin the span of a call, and let all that its task does be part of it.

        The task of a call ends with it, so nobody need take the span out of its context.
        """
        name = path.strip("/")
        sent = {
            key: str(value) for key, value in context.invocation_metadata() or () if key in _PARENT
        }
        span = self._tracer.start_span(
            name,
            context=self._propagator.extract(sent),
            kind=otel.trace.SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": name},
        )
        otel.context.attach(otel.trace.set_span_in_context(span))
        UNDER_WAY.get().trace_id = otel.trace.format_trace_id(span.get_span_context().trace_id)
        return span


def _end(span: otel.trace.Span, outcome: Outcome) -> None:
    """End the span of a call as its caller saw it end. Texts stay out: they may tell of people."""
    if span.is_recording():
        span.set_attribute("rpc.response.status_code", outcome.status)
        if outcome.reason:
            span.set_attribute("tallymark.reason", outcome.reason)
        caller = CALLER.get(None)
        if caller is not None:
            span.set_attribute("tallymark.caller", caller.name)
        if outcome.status in ERRORS:
            span.set_attribute("error.type", outcome.status)
            span.set_status(otel.trace.StatusCode.ERROR)
    span.end()
