"""Conditions that end a run early."""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tallymark_load.results.figures import percentile
from tallymark_load.results.measurements import NANOSECONDS, WINDOW_SECONDS, Measurements

__all__ = ["InvalidCondition", "Stop", "StopWhen"]

CALLS_MIN: Final = 20
"""Fewer calls than this within WINDOW_SECONDS say nothing about shares and percentiles."""

SYNTAX: Final = re.compile(
    r"(?P<name>[a-z][a-z0-9.-]*)\s*>\s*(?P<value>\d+(\.\d+)?)\s*(?P<unit>%|[a-z]*)"
)
PERCENTILE: Final = re.compile(r"(?P<late>late-)?p(?P<percent>\d{1,2}(\.\d+)?)")

SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

EXAMPLES: Final = (
    "errors>1%, errors>100, p99>500ms, late-p99>50ms, duration>5m, calls>100000, in-flight>5000"
)


class InvalidCondition(ValueError):
    """A condition that cannot be understood; its text says why, and what could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a run ends before its plan does; is_failure when something went wrong."""

    condition: str
    seen: str
    is_failure: bool

    def __str__(self) -> str:
        """Say it in words."""
        return f"stopped by {self.condition}: {self.seen}"


@dataclass(frozen=True, slots=True)
class _Condition:
    text: str
    limit: float
    reading: Callable[[Measurements, int], float | None]
    """What is compared with the limit now, in its unit; none while there is too little."""
    words: Callable[[float], str]
    is_failure: bool = True


class StopWhen:
    """The conditions of a run; whoever runs it asks once a second.

    Shares and percentiles are those of the calls that ended in the last ten seconds, so that an
    hour that went well hides nothing; numbers of calls and errors are those of the whole run.
    """

    def __init__(self, conditions: Iterable[str] = ()) -> None:
        """Understand the conditions; raise InvalidCondition for the first that makes no sense."""
        self._conditions = [_understood(text) for text in conditions]

    def check(self, measurements: Measurements, now_ns: int) -> Stop | None:
        """Return the first condition that holds now, by the clock of the measurements."""
        for condition in self._conditions:
            seen = condition.reading(measurements, now_ns)
            if seen is not None and operator.gt(seen, condition.limit):
                return Stop(
                    condition=condition.text,
                    seen=condition.words(seen),
                    is_failure=condition.is_failure,
                )
        return None


def _understood(text: str) -> _Condition:
    match = SYNTAX.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is not a condition such as {EXAMPLES}."
        raise InvalidCondition(message)
    name, value, unit = match["name"], float(match["value"]), match["unit"]
    if name == "errors" and unit == "%":
        return _Condition(text, value, _error_share, lambda seen: f"{seen:.1f} % errors")
    if name in _COUNTS:
        reading, is_failure = _COUNTS[name]
        _demand_unit(text, unit, "")
        return _Condition(text, value, reading, lambda seen: f"{seen:,.0f} {name}", is_failure)
    if name == "duration":
        return _Condition(
            text,
            value * _seconds(text, unit),
            lambda measurements, now_ns: (now_ns - measurements.started_ns) / NANOSECONDS,
            lambda seen: f"{seen:.0f} s",
            is_failure=False,
        )
    quantile = PERCENTILE.fullmatch(name)
    if quantile is None:
        message = f"{text!r}: {name!r} is not measured; conditions are such as {EXAMPLES}."
        raise InvalidCondition(message)
    return _Condition(
        text,
        value * _seconds(text, unit) * 1e6,
        _quantile(float(quantile["percent"]), is_late=quantile["late"] is not None),
        lambda seen: f"{name} {seen / 1000:.1f} ms",
    )


def _demand_unit(text: str, unit: str, wanted: str) -> None:
    if unit != wanted:
        message = f"{text!r}: a number of calls has no unit."
        raise InvalidCondition(message)


def _seconds(text: str, unit: str) -> float:
    if unit not in SECONDS:
        message = f"{text!r}: a time needs one of the units {', '.join(SECONDS)}."
        raise InvalidCondition(message)
    return SECONDS[unit]


def _error_share(measurements: Measurements, now_ns: int) -> float | None:
    lately = measurements.lately(now_ns, WINDOW_SECONDS)
    return 100 * lately.errors / lately.calls if lately.calls >= CALLS_MIN else None


def _quantile(percent: float, *, is_late: bool) -> Callable[[Measurements, int], float | None]:
    def reading(measurements: Measurements, now_ns: int) -> float | None:
        lately = measurements.lately(now_ns, WINDOW_SECONDS)
        if lately.calls < CALLS_MIN:
            return None
        return percentile(sorted(lately.lateness if is_late else lately.latencies), percent)

    return reading


_COUNTS: Final[dict[str, tuple[Callable[[Measurements, int], float], bool]]] = {
    "errors": (lambda measurements, _: measurements.errors, True),
    "calls": (lambda measurements, _: measurements.ended, False),
    "in-flight": (lambda measurements, _: measurements.in_flight, True),
}
