"""A picture of a run: latencies, rate and errors over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tallymark_load.results.figures import PLOT_SUFFIXES, percentile
from tallymark_load.results.measurements import Measurements, Second

__all__ = ["write_plot"]

LINES: Final = (
    ("p50", 50.0, "#1b7837"),
    ("p90", 90.0, "#2166ac"),
    ("p99", 99.0, "#e08214"),
    ("max", 100.0, "#b2182b"),
)
RATE_COLOUR: Final = "#4d4d4d"
ERROR_COLOUR: Final = "#b2182b"

POINTS_MAX: Final = 600
"""Longer runs are drawn in steps of several seconds."""

MARKED_MAX: Final = 60
"""Short runs have their seconds marked; points in a long one would hide the line."""


def write_plot(measurements: Measurements, path: Path, *, title: str) -> None:
    """Draw into a PNG or SVG file, as its suffix says; raise ValueError for any other."""
    if path.suffix not in PLOT_SUFFIXES:
        message = f"{path.name}: a plot is written as {' or '.join(PLOT_SUFFIXES)}"
        raise ValueError(message)
    # A figure of its own needs neither a display nor a choice of one.
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    latency, rate = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    steps, width = _steps(measurements.seconds())
    _draw_latency(latency, steps, width)
    _draw_rate(rate, steps, width)
    latency.set_title(title, loc="left")
    figure.savefig(path, dpi=120)


def _steps(seconds: dict[int, Second]) -> tuple[dict[int, Second], int]:
    """Return the calls by the second in which their step begins, and the steps' length."""
    last = max(seconds, default=0)
    width = last // POINTS_MAX + 1
    starts = range(0, last + 1, width)
    return {
        start: Second.together(
            seconds[number] for number in range(start, start + width) if number in seconds
        )
        for start in starts
    }, width


def _draw_latency(axes: Axes, steps: dict[int, Second], width: int) -> None:
    # Steps without calls leave a gap instead of a line that claims something.
    ordered = {start: sorted(calls.latencies) for start, calls in steps.items()}
    middles = [start + width / 2 for start in ordered]
    marker = "." if len(ordered) <= MARKED_MAX else None
    # The slowest calls are drawn thin and first, so that they hide no percentile.
    for name, percent, colour in reversed(LINES):
        values = [_milliseconds(of_step, percent) for of_step in ordered.values()]
        axes.plot(
            middles,
            values,
            label=name,
            color=colour,
            linewidth=0.7 if name == "max" else 1.4,
            marker=marker,
        )
    axes.set_yscale("log")
    for ticks in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        ticks(FuncFormatter(_plain))
    axes.set_ylabel("latency in ms, from when it was due")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(LINES), frameon=False)


def _draw_rate(axes: Axes, steps: dict[int, Second], width: int) -> None:
    edges = [*steps, max(steps) + width]
    calls = [step.calls / width for step in steps.values()]
    errors = [step.errors / width for step in steps.values()]
    axes.stairs(calls, edges, color=RATE_COLOUR, fill=True, alpha=0.3)
    axes.set_ylim(0, max(calls) * 1.1 or 1)
    axes.set_ylabel("calls/s")
    axes.set_xlabel("seconds since the start")
    axes.grid(visible=True, alpha=0.25)
    if not any(errors):
        axes.text(0.99, 0.9, "no errors", transform=axes.transAxes, ha="right", va="top")
        return
    # A scale of their own: one error in a thousand calls is no more than a pixel on the other.
    failures = axes.twinx()
    failures.stairs(errors, edges, color=ERROR_COLOUR, linewidth=1.4)
    failures.set_ylim(0, max(errors) * 1.1)
    failures.set_ylabel("errors/s", color=ERROR_COLOUR)
    failures.tick_params(colors=ERROR_COLOUR)


def _plain(value: float, _: int) -> str:
    """Label 1, 2 and 5 of each decade, without powers of ten."""
    leading = f"{value:e}"[0]
    return f"{value:g}" if leading in "125" else ""


def _milliseconds(ordered: Sequence[int], percent: float) -> float:
    return percentile(ordered, percent) / 1000 if ordered else float("nan")
