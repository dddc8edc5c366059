"""Latencies as files that other tools read: histogram logs and percentile distributions.

The names and units are those of HdrHistogram (https://github.com/HdrHistogram/HdrHistogram): values
in nanoseconds, from one microsecond to one minute with three digits; what took longer is counted
as one minute.

    .hlog   a histogram for each second and method, tagged with the method: HistogramLogProcessor
    .hgrm   the distribution of all calls, in milliseconds: the plotter of hdrhistogram.github.io
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hdrh.histogram import HdrHistogram

from tallymark_load.results.measurements import NANOSECONDS, Measurements

__all__ = ["HDR_SUFFIXES", "histogram", "write_hdr"]

LOWEST_NS: Final = 1_000
HIGHEST_NS: Final = 60 * NANOSECONDS
DIGITS: Final = 3

NANOSECONDS_IN_MS: Final = 1_000_000
"""What tools divide by unless told otherwise."""

HDR_SUFFIXES: Final = (".hlog", ".hgrm")


def write_hdr(measurements: Measurements, path: Path) -> None:
    """Write latencies in the format that the suffix names; raise ValueError for any other."""
    match path.suffix:
        case ".hlog":
            _write_log(measurements, path)
        case ".hgrm":
            with path.open("wb") as file:
                whole = _fill(_InMilliseconds, measurements.whole().latencies)
                whole.output_percentile_distribution(file, NANOSECONDS_IN_MS)
        case other:
            message = f"{path.name}: {other or 'no suffix'} is not one of {', '.join(HDR_SUFFIXES)}"
            raise ValueError(message)


def histogram(microseconds: Iterable[int]) -> HdrHistogram:
    """Return the histogram of these latencies."""
    return _fill(HdrHistogram, microseconds)


class _InMilliseconds(HdrHistogram):
    """The library divides every value of a distribution by the unit, but not this one."""

    def get_stddev(self) -> float:
        return float(super().get_stddev()) / NANOSECONDS_IN_MS  # type: ignore[no-untyped-call]  # as above


def _fill(kind: type[HdrHistogram], microseconds: Iterable[int]) -> HdrHistogram:
    filled = kind(LOWEST_NS, HIGHEST_NS, DIGITS)
    for value in microseconds:
        filled.record_value(min(max(value * 1000, LOWEST_NS), HIGHEST_NS))
    return filled


def _write_log(measurements: Measurements, path: Path) -> None:
    started = measurements.started_at_ns / NANOSECONDS
    with path.open("w", encoding="ascii") as file:
        file.write("#[Histogram log format version 1.3]\n")
        file.write(f"#[StartTime: {started:.3f} (seconds since epoch)]\n")
        file.write(f"#[BaseTime: {started:.3f} (seconds since epoch)]\n")
        file.write(
            '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
        )
        for second, method, calls in measurements.by_method_and_second():
            filled = histogram(calls.latencies)
            slowest = filled.get_max_value() / NANOSECONDS_IN_MS
            # A tag must not hold a comma, a space or a line end; neither does the path of a method.
            file.write(f"Tag={method},{second:.3f},1.000,{slowest:.3f},")
            file.write(filled.encode().decode("ascii") + "\n")
