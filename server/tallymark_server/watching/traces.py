"""Traces by OpenTelemetry: where spans go, how many of them, and who makes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

import grpc

from tallymark_server.lanes.lane import Lane
from tallymark_server.settings import is_loopback
from tallymark_server.watching import telemetry as otel
from tallymark_server.watching.call_spans import CallSpans
from tallymark_server.watching.institution_spans import InstitutionSpans
from tallymark_server.watching.traced_lane import TracedLane

__all__ = ["Traces", "exporter_to"]

SEND_SECONDS_MAX: Final = 3.0
"""How long a batch of spans is offered to the collector, and a stop waits for it."""

_NAME: Final = "tallymark-server"


class Traces:
    """What the parts of a server are given so that they are traced."""

    def __init__(self, exporter: otel.SpanExporter, *, ratio: float | None = None) -> None:
        """Take where spans go, and the part of all calls that is traced.

        None leaves that to OTEL_TRACES_SAMPLER, which unless set has all of them. Who calls with a
        trace of its own decides for itself.
        """
        sampler = None if ratio is None else otel.ParentBased(otel.TraceIdRatioBased(ratio))
        self._provider = otel.TracerProvider(
            sampler=sampler, resource=_resource(), shutdown_on_exit=False
        )
        self._provider.add_span_processor(otel.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(_NAME, version(_NAME))
        self.calls = CallSpans(self._tracer)

    def lane(self) -> Callable[..., Lane]:
        """Return what makes lanes that are traced."""
        return lambda **parts: TracedLane(self._tracer, **parts)

    def interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """Return what traces the calls of a channel to the institution."""
        return [InstitutionSpans(self._tracer)]

    def flush(self) -> None:
        """Send what ended until now."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send the rest and end; it may take SEND_SECONDS_MAX."""
        self._provider.shutdown()


def exporter_to(collector: str) -> otel.SpanExporter:
    """Return what sends spans to HOST:PORT, or to where the environment says if that is empty."""
    if not collector:
        return otel.OTLPSpanExporter(timeout=SEND_SECONDS_MAX)
    scheme = "http" if is_loopback(collector) else "https"
    return otel.OTLPSpanExporter(f"{scheme}://{collector}", timeout=SEND_SECONDS_MAX)


def _resource() -> otel.Resource:
    """Return who sends the spans: this program, unless OTEL_SERVICE_NAME says otherwise."""
    about = {"service.version": version(_NAME)}
    if "OTEL_SERVICE_NAME" not in os.environ:
        about["service.name"] = _NAME
    return otel.Resource.create(about)
