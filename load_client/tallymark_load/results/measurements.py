"""What a run measured: every call, by method and by the second in which it was due.

Latency counts from the moment at which a call was due, not from when it was sent: a server that
stalls delays the calls behind it too, and a tester that waits with them would not see it
("coordinated omission", Gil Tene). How late the tester itself was is kept apart, as lateness.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Measurements", "Sample", "Second"]

OK: Final = "OK"
NANOSECONDS: Final = 1_000_000_000
MICROSECONDS_MAX: Final = 2**32 - 1

WINDOW_SECONDS: Final = 10
"""How far back `Measurements.lately` can look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One finished call; all times are nanoseconds of the clock that the measurements began with.

    outcome is OK, the machine-readable reason of the error, or the name of the status code.
    is_expected says that this outcome was to come, so that it is no error: a replay expects what
    the recording has.
    """

    method: str
    intended_ns: int
    sent_ns: int
    ended_ns: int
    outcome: str
    is_expected: bool = False

    @property
    def is_error(self) -> bool:
        """Tell whether the call failed without being meant to."""
        return self.outcome != OK and not self.is_expected


@dataclass(slots=True)
class Second:
    """Calls of one second; times in whole microseconds, so 8 bytes for each call."""

    answered: "array[int]" = field(default_factory=lambda: array("I"))
    """Latencies of calls that were answered as they should."""
    failed: "array[int]" = field(default_factory=lambda: array("I"))
    """Latencies of errors."""
    lateness: "array[int]" = field(default_factory=lambda: array("I"))
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample) -> None:
        """Count one call."""
        latencies = self.failed if sample.is_error else self.answered
        latencies.append(_microseconds(sample.ended_ns - sample.intended_ns))
        self.lateness.append(_microseconds(sample.sent_ns - sample.intended_ns))
        self.outcomes[sample.outcome] += 1

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return len(self.lateness)

    @property
    def errors(self) -> int:
        """How many of them failed without being meant to."""
        return len(self.failed)

    @property
    def latencies(self) -> "array[int]":
        """Latencies of all calls: leaving out what timed out would flatter the server."""
        return self.answered + self.failed

    @staticmethod
    def together(seconds: Iterable["Second"]) -> "Second":
        """Return the calls of all these seconds."""
        whole = Second()
        for second in seconds:
            whole.answered.extend(second.answered)
            whole.failed.extend(second.failed)
            whole.lateness.extend(second.lateness)
            whole.outcomes.update(second.outcomes)
        return whole


class Measurements:
    """Counts the calls of one run.

    started_ns is the start by the clock of the samples (time.monotonic_ns, or a loop's time),
    started_at_ns the same moment since the epoch.
    """

    def __init__(self, *, started_ns: int, started_at_ns: int) -> None:
        """Begin with nothing counted."""
        self.started_ns = started_ns
        self.started_at_ns = started_at_ns
        self.ended_ns = started_ns
        self.sent = 0
        self.ended = 0
        self.errors = 0
        self._by_method: dict[str, defaultdict[int, Second]] = {}
        self._by_end: dict[int, Second] = {}

    @property
    def in_flight(self) -> int:
        """How many calls were sent and have not ended."""
        return self.sent - self.ended

    @property
    def methods(self) -> list[str]:
        """Every method that was called, sorted."""
        return sorted(self._by_method)

    @property
    def duration_seconds(self) -> float:
        """Time from the start until the last call ended."""
        return (self.ended_ns - self.started_ns) / NANOSECONDS

    def count_sent(self) -> None:
        """Count a call that is on its way; `record` counts its end."""
        self.sent += 1

    def record(self, sample: Sample) -> None:
        """Count a call that has ended."""
        self.ended += 1
        self.errors += sample.is_error
        self.ended_ns = max(self.ended_ns, sample.ended_ns)
        seconds = self._by_method.setdefault(sample.method, defaultdict(Second))
        seconds[self._second(sample.intended_ns)].add(sample)
        self._by_end_of(self._second(sample.ended_ns)).add(sample)

    def whole(self, method: str | None = None) -> Second:
        """Return all calls together, or those of one method."""
        return Second.together(second for _, _, second in self._all(method))

    def seconds(self, method: str | None = None) -> dict[int, Second]:
        """Return the calls by the second in which they were due, counted from the start."""
        found: defaultdict[int, list[Second]] = defaultdict(list)
        for number, _, second in self._all(method):
            found[number].append(second)
        return {number: Second.together(found[number]) for number in sorted(found)}

    def by_method_and_second(self) -> Iterator[tuple[int, str, Second]]:
        """Yield second, method and calls, in the order of time."""
        return iter(sorted(self._all(), key=lambda found: found[:2]))

    def lately(self, now_ns: int, seconds: int = WINDOW_SECONDS) -> Second:
        """Return the calls that ended in the last whole seconds, at most WINDOW_SECONDS of them."""
        now = self._second(now_ns)
        window = range(now - seconds, now)
        return Second.together(self._by_end[number] for number in window if number in self._by_end)

    def _all(self, method: str | None = None) -> Iterator[tuple[int, str, Second]]:
        for name in self._by_method if method is None else [method]:
            for number, second in self._by_method.get(name, {}).items():
                yield number, name, second

    def _by_end_of(self, number: int) -> Second:
        if number not in self._by_end:
            self._by_end[number] = Second()
            for old in [old for old in self._by_end if old < number - WINDOW_SECONDS]:
                del self._by_end[old]
        return self._by_end[number]

    def _second(self, at_ns: int) -> int:
        return max(0, at_ns - self.started_ns) // NANOSECONDS


def _microseconds(nanoseconds: int) -> int:
    return min(max(0, nanoseconds) // 1000, MICROSECONDS_MAX)
