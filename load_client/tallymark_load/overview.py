"""What is in a recording, at a glance."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from grpc import StatusCode

from tallymark_load.columns import table_of
from tallymark_load.recorded import RecordedCall

__all__ = ["MethodOverview", "Overview"]

NANOSECONDS: Final = 1_000_000_000

HEAD: Final = ("method", "calls", "errors", "unended", "not whole", "sent", "received", "bytes")

STATUS_NAMES: Final = {code.value[0]: code.name for code in StatusCode}


@dataclass(slots=True)
class MethodOverview:
    """Calls of one method; messages and bytes in both directions."""

    calls: int = 0
    unended: int = 0
    truncated: int = 0
    sent: int = 0
    received: int = 0
    body_bytes: int = 0
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def errors(self) -> int:
        """How many calls ended with another status than OK."""
        return self.statuses.total() - self.statuses["OK"]

    def add(self, call: RecordedCall) -> None:
        """Count a call."""
        self.calls += 1
        self.truncated += call.is_truncated
        self.sent += len(call.sent)
        self.received += len(call.received)
        self.body_bytes += sum(len(message.body) for message in (*call.sent, *call.received))
        if call.ended_at_ns is None:
            self.unended += 1
        else:
            self.statuses[STATUS_NAMES.get(call.status_code, str(call.status_code))] += 1


class Overview:
    """Calls by method, and how they lie in time."""

    def __init__(self, calls: Iterable[RecordedCall] = ()) -> None:
        """Count the calls."""
        self.methods: dict[str, MethodOverview] = {}
        self.peers: set[str] = set()
        self._first_ns: int | None = None
        self._last_ns = 0
        self._by_second: Counter[int] = Counter()
        for call in calls:
            self.add(call)

    def add(self, call: RecordedCall) -> None:
        """Count one more call."""
        self.methods.setdefault(call.method, MethodOverview()).add(call)
        self.peers.add(call.peer)
        first = call.started_at_ns
        self._first_ns = first if self._first_ns is None else min(self._first_ns, first)
        times = [message.at_ns for message in (*call.sent, *call.received)]
        self._last_ns = max(self._last_ns, first, call.ended_at_ns or 0, *times)
        self._by_second[first // NANOSECONDS] += 1

    @property
    def span_seconds(self) -> float:
        """Time from the first call's start to the last thing that happened."""
        return 0.0 if self._first_ns is None else (self._last_ns - self._first_ns) / NANOSECONDS

    @property
    def busiest_second(self) -> int:
        """The most calls that began in one second."""
        return max(self._by_second.values(), default=0)

    def as_json(self) -> dict[str, object]:
        """Return everything, ready for JSON."""
        return {
            "started_at": None if self._first_ns is None else _words(self._first_ns),
            "span_seconds": round(self.span_seconds, 3),
            "calls": self._calls,
            "calls_per_second": round(self._calls / max(self.span_seconds, 1.0), 1),
            "busiest_second": self.busiest_second,
            "peers": len(self.peers),
            "methods": {
                method: {
                    "calls": one.calls,
                    "errors": one.errors,
                    "unended": one.unended,
                    "truncated": one.truncated,
                    "sent": one.sent,
                    "received": one.received,
                    "bytes": one.body_bytes,
                    "statuses": dict(one.statuses.most_common()),
                }
                for method, one in sorted(self.methods.items())
            },
        }

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        if self._first_ns is None:
            return ["No calls."]
        rows = [_row(method, one) for method, one in sorted(self.methods.items())]
        return [
            *table_of(HEAD, rows),
            "",
            self._pace(self._first_ns),
            *(
                f"  {count:>8,}  {status}"
                for status, count in self._statuses().most_common()
                if status != "OK"
            ),
        ]

    def _pace(self, first_ns: int) -> str:
        rate = self._calls / max(self.span_seconds, 1.0)
        return (
            f"{self._calls:,} calls of {len(self.peers):,} peers from {_words(first_ns)} on, "
            f"in {self.span_seconds:,.1f} s:\n"
            f"{rate:,.1f} calls/s on average, {self.busiest_second:,} in the busiest second."
        )

    @property
    def _calls(self) -> int:
        return sum(one.calls for one in self.methods.values())

    def _statuses(self) -> Counter[str]:
        together: Counter[str] = Counter()
        for one in self.methods.values():
            together.update(one.statuses)
        return together


def _row(method: str, one: MethodOverview) -> tuple[str, ...]:
    numbers = (
        one.calls,
        one.errors,
        one.unended,
        one.truncated,
        one.sent,
        one.received,
        one.body_bytes,
    )
    return (method.removeprefix("/"), *(f"{number:,}" for number in numbers))


def _words(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NANOSECONDS, tz=UTC).isoformat(timespec="milliseconds")
