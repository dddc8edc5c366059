"""A span for each call to the credit institution.

The institution is not told of the trace: it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from tallymark_server.watching import telemetry as otel

__all__ = ["InstitutionSpans"]


class InstitutionSpans(grpc.aio.UnaryUnaryClientInterceptor):
    """Stands in the channel to the institution."""

    def __init__(self, tracer: otel.trace.Tracer) -> None:
        """Take what makes spans."""
        self._tracer = tracer

    async def intercept_unary_unary(
        self,
        continuation: Callable[[Any, Any], Any],
        client_call_details: Any,  # noqa: ANN401 -- its type differs between grpc and its stubs
        request: object,
    ) -> Any:  # noqa: ANN401 -- a call, as it came
        """Make the call within a span."""
        method = client_call_details.method
        name = (method.decode() if isinstance(method, bytes) else method).strip("/")
        with self._tracer.start_as_current_span(
            name,
            kind=otel.trace.SpanKind.CLIENT,
            attributes={"rpc.system.name": "grpc", "rpc.method": name},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            call = await continuation(client_call_details, request)
            status = await call.code()
            span.set_attribute("rpc.response.status_code", status.name)
            if status is not grpc.StatusCode.OK:
                span.set_attribute("error.type", status.name)
                span.set_status(otel.trace.StatusCode.ERROR)
            return call
