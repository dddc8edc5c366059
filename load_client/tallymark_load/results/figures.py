"""Figures of a run, for programs (JSON) and for people (a table)."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tallymark_load.columns import table_of
from tallymark_load.results.measurements import NANOSECONDS, OK, Measurements, Second

__all__ = ["PLOT_SUFFIXES", "percentile", "summary", "table"]

PLOT_SUFFIXES: Final = (".png", ".svg")
"""What a plot can be written as."""

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}

HEAD: Final = ("method", "calls", "errors", "calls/s", "p50", "p90", "p99", "p99.9", "max")

OUTCOMES_MAX: Final = 12
"""How many outcomes other than OK the table names."""


def percentile(ordered: Sequence[int], percent: float) -> int:
    """Return the smallest value that percent of all values do not exceed (nearest rank)."""
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def milliseconds(microseconds: Sequence[int]) -> dict[str, float]:
    """Return percentiles, maximum and mean in milliseconds, or nothing when there are no values."""
    if not microseconds:
        return {}
    ordered = sorted(microseconds)
    found = {name: percentile(ordered, percent) / 1000 for name, percent in PERCENTILES.items()}
    return {**found, "mean": round(sum(ordered) / len(ordered) / 1000, 3)}


def summary(measurements: Measurements) -> dict[str, object]:
    """Return everything that was measured, ready for JSON; times in milliseconds.

    `latency_ms` is of all calls, `answered_latency_ms` leaves out errors.
    """
    duration = measurements.duration_seconds
    seconds = measurements.seconds()
    return {
        "started_at": datetime.fromtimestamp(
            measurements.started_at_ns / NANOSECONDS, tz=UTC
        ).isoformat(),
        "duration_seconds": round(duration, 3),
        "unfinished": measurements.in_flight,
        **_figures(measurements.whole(), duration),
        "methods": {
            method: _figures(measurements.whole(method), duration)
            for method in measurements.methods
        },
        "seconds": [
            {"second": number, **_figures(seconds[number], 1.0)} for number in sorted(seconds)
        ],
    }


def table(measurements: Measurements) -> str:
    """Return the figures by method as lines of text; times in milliseconds."""
    duration = measurements.duration_seconds
    rows = [_row(method, measurements.whole(method), duration) for method in measurements.methods]
    whole = measurements.whole()
    if len(rows) != 1:
        rows.append(_row("all", whole, duration))
    return "\n".join([*table_of(HEAD, rows), "", *_remarks(measurements, whole)])


def _figures(calls: Second, duration_seconds: float) -> dict[str, object]:
    return {
        "calls": calls.calls,
        "errors": calls.errors,
        "calls_per_second": round(calls.calls / duration_seconds, 1) if duration_seconds else 0.0,
        "outcomes": dict(calls.outcomes.most_common()),
        "latency_ms": milliseconds(calls.latencies),
        "answered_latency_ms": milliseconds(calls.answered),
        "lateness_ms": milliseconds(calls.lateness),
    }


def _row(name: str, calls: Second, duration_seconds: float) -> tuple[str, ...]:
    latency = milliseconds(calls.latencies)
    rate = calls.calls / duration_seconds if duration_seconds else 0.0
    times = [f"{latency[name]:.1f}" if latency else "-" for name in PERCENTILES]
    return (name.removeprefix("/"), f"{calls.calls:,}", f"{calls.errors:,}", f"{rate:,.1f}", *times)


def _remarks(measurements: Measurements, whole: Second) -> list[str]:
    lines = ["Times in ms, from the moment at which a call was due."]
    lateness = milliseconds(whole.lateness)
    if lateness:
        lines.append(
            "Sent late by (not the server's doing, included above): "
            f"p50 {lateness['p50']:.1f}, p99 {lateness['p99']:.1f}, max {lateness['max']:.1f}."
        )
    answered = milliseconds(whole.answered)
    if whole.errors and answered:
        lines.append(
            "Without errors: "
            f"p50 {answered['p50']:.1f}, p99 {answered['p99']:.1f}, max {answered['max']:.1f}."
        )
    others = [(name, count) for name, count in whole.outcomes.most_common() if name != OK]
    lines += [f"  {count:>8,}  {name}" for name, count in others[:OUTCOMES_MAX]]
    if measurements.in_flight:
        lines.append(f"{measurements.in_flight:,} calls had not ended when the run did.")
    return lines
