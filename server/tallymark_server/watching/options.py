"""Options of `tallymark-server` about metrics, log lines and traces."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

__all__ = ["WatchSettings", "watch_options", "watching_of"]


class WatchSettings(NamedTuple):
    """How the server lets itself be watched."""

    metrics_listen: str = ""
    """HOST:PORT; empty for no metrics."""

    log_format: str = "text"
    log_level: str = "info"
    trace_to: str = ""
    """HOST:PORT of a collector; empty for none, or the one that the environment names."""

    trace_ratio: float | None = None
    """The part of all calls that is traced; None leaves it to the environment."""


def watch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets what `watching_of` takes."""
    for option in (
        click.option(
            "--trace-ratio",
            type=click.FloatRange(min=0, max=1),
            metavar="RATIO",
            help="The part of all calls that is traced, such as 0.01. All of them unless given, or "
            "what OTEL_TRACES_SAMPLER says.",
        ),
        click.option(
            "--trace-to",
            default="",
            metavar="HOST:PORT",
            help="Collector of OpenTelemetry that takes traces by OTLP/gRPC, such as "
            "127.0.0.1:4317; elsewhere than on this machine by TLS. OTEL_EXPORTER_OTLP_ENDPOINT "
            "works as well. Needs tallymark-server[tracing].",
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            show_default=True,
            help="From which level on the server's own lines are written; debug has every call.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="How log lines look on stderr.",
        ),
        click.option(
            "--metrics-listen",
            default="",
            metavar="HOST:PORT",
            help="Where Prometheus asks for metrics, such as 127.0.0.1:7423, by plain HTTP; port 0 "
            "takes a free one. Nowhere unless given.",
        ),
    ):
        command = option(command)
    return command


def watching_of(options: Mapping[str, Any]) -> WatchSettings:
    """Return what the options say."""
    return WatchSettings(**{name: options[name] for name in WatchSettings._fields})
