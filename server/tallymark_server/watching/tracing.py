"""Whether calls are traced. OpenTelemetry is loaded only if they are."""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import grpc

from tallymark_server.lanes.lane import Lane
from tallymark_server.watching.calls import Spans

__all__ = ["ENDPOINT_VARIABLES", "NOT_INSTALLED", "Tracing", "tracing"]

ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""What names a collector to every program of OpenTelemetry."""

NOT_INSTALLED: Final = (
    "traces need an optional part that is not installed. "
    "Install it with: pip install 'tallymark-server[tracing]'"
)


class Tracing(Protocol):
    """What the parts of a server are given so that they are traced."""

    @property
    def calls(self) -> Spans:
        """What traces calls."""
        ...

    def lane(self) -> Callable[..., Lane]:
        """Return what makes lanes that are traced."""
        ...

    def interceptors(self) -> Sequence[grpc.aio.ClientInterceptor]:
        """Return what traces the calls of a channel to the institution."""
        ...


@asynccontextmanager
async def tracing(trace_to: str, ratio: float | None) -> AsyncIterator[Tracing | None]:
    """Trace while the context lasts, if a collector is named; otherwise give None.

    It is at HOST:PORT, on this machine in plain text and elsewhere by TLS, or where the variables
    of OpenTelemetry say.

    Raises:
        RuntimeError: the optional part is not installed.

    """
    if not trace_to and not any(map(os.environ.get, ENDPOINT_VARIABLES)):
        yield None
        return
    if not importlib.import_module("tallymark_server.watching.telemetry").IS_INSTALLED:
        raise RuntimeError(NOT_INSTALLED)
    traces = importlib.import_module("tallymark_server.watching.traces")
    begun = traces.Traces(traces.exporter_to(trace_to), ratio=ratio)
    try:
        yield begun
    finally:
        await asyncio.to_thread(begun.close)
