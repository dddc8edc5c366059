"""OpenTelemetry, an optional part (`tallymark-server[tracing]`): what the server uses of it.

This is the only module that imports it; others ask `IS_INSTALLED` before they touch the names.
"""

try:
    from opentelemetry import context, trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

__all__ = [
    "IS_INSTALLED",
    "BatchSpanProcessor",
    "OTLPSpanExporter",
    "ParentBased",
    "Resource",
    "SpanExporter",
    "TraceContextTextMapPropagator",
    "TraceIdRatioBased",
    "TracerProvider",
    "context",
    "trace",
]
