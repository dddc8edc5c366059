"""The counts of a server as metrics of Prometheus; docs/watching.md explains each of them.

They are made when somebody asks, on a thread of the asker's, out of numbers that are counted
anyway. No label has a value of a caller's choice.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

import grpc
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tallymark_server.watching.disk import DiskUse
from tallymark_server.watching.histogram import Histogram
from tallymark_server.watching.pauses import Pauses
from tallymark_server.watching.watched import Watched

__all__ = ["registry_of"]

Row = tuple[tuple[str, ...], float]
"""Values of the labels, and the number."""


def registry_of(
    watched: Watched, pauses: Pauses, disk: Callable[[], DiskUse], commit_seconds: Histogram
) -> CollectorRegistry:
    """Return everything that a scrape shows."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(watched, pauses, disk, commit_seconds))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class _Collector(Collector):
    """Reads the counts; each method is one part of a scrape."""

    def __init__(
        self,
        watched: Watched,
        pauses: Pauses,
        disk: Callable[[], DiskUse],
        commit_seconds: Histogram,
    ) -> None:
        self._watched = watched
        self._pauses = pauses
        self._disk = disk
        self._commit_seconds = commit_seconds
        self._version = version("tallymark-server")  # which reads a file

    def collect(self) -> Iterator[Metric]:
        parts = (
            self._build,
            self._calls,
            self._lane,
            self._processes,
            self._due_work,
            self._passwords,
            self._disk_use,
            self._runtime,
        )
        for part in parts:
            for metric in part():
                yield metric
                time.sleep(0)  # Python's lock goes to the event loop, if that waits for it

    def _build(self) -> Iterator[Metric]:
        versions = (self._version, grpc.__version__, sqlite3.sqlite_version)
        yield _gauge(
            "build_info",
            "Versions of the server and of what it stands on; always 1",
            ("version", "grpc", "sqlite"),
            [(versions, 1)],
        )

    def _calls(self) -> Iterator[Metric]:
        methods = self._watched.calls.methods
        ended: list[Row] = []
        for calls in methods:
            ended.append(((calls.method, "OK", ""), calls.done))
            failed = dict(calls.failed)  # a copy, because calls go on meanwhile
            ended += [((calls.method, *outcome), count) for outcome, count in failed.items()]
        yield _counter("calls", "Calls that ended", ("method", "status", "reason"), ended)
        unary = [calls for calls in methods if not calls.is_stream]
        streams = [calls for calls in methods if calls.is_stream]
        yield _histogram(
            "call_seconds",
            "Time from a call's arrival to its answer, streams left out",
            ("method",),
            [((calls.method,), calls.seconds) for calls in unary],
        )
        yield _gauge(
            "calls_under_way",
            "Calls that wait for their answer",
            ("method",),
            [((calls.method,), calls.under_way) for calls in unary],
        )
        entrance = self._watched.entrance
        yield _number("calls_inside", "Calls that have one of the places inside", entrance.inside)
        yield _counter(
            "calls_turned_away",
            "Calls that were sent away with OVERLOADED before they were looked at",
            (),
            [((), entrance.turned_away)],
        )
        yield _gauge(
            "streams_open",
            "Streams that are open",
            ("method",),
            [((calls.method,), calls.under_way) for calls in streams],
        )
        yield _counter(
            "stream_messages",
            "Messages that were sent on streams",
            ("method",),
            [((calls.method,), calls.messages) for calls in streams],
        )
        yield _counter(
            "stream_answers",
            "Answers to commands in streams of batches",
            ("answer", "status", "reason"),
            dict(self._watched.calls.answers).items(),
        )

    def _lane(self) -> Iterator[Metric]:
        lane = self._watched.lane
        yield _number("lane_queue_commands", "Commands that wait for the next batch", lane.waiting)
        work = lane.work
        for name, text, histogram in (
            ("batch_commands", "Commands that were decided in one batch", work.commands),
            ("batch_rounds", "Times that the rules were asked for one batch", work.rounds),
            ("decide_seconds", "Time of deciding a batch, with loading rows", work.decide_seconds),
            ("save_seconds", "Time of saving a batch, with its commit", work.save_seconds),
        ):
            yield _histogram(f"lane_{name}", text, (), [((), histogram)])
        text = "Time of a commit, nearly all of it the sync to disk"
        yield _histogram("commit_seconds", text, (), [((), self._commit_seconds)])

    def _processes(self) -> Iterator[Metric]:
        processes = self._watched.processes
        open_now = [((state.name,), processes.open[state]) for state in processes.open]
        ended = [((state.name,), processes.ended[state]) for state in processes.ended]
        codes = [((state.name,), count) for state, count in processes.codes.items()]
        yield _gauge("processes_open", "Processes that have not ended", ("state",), open_now)
        yield _counter("processes_ended", "Processes that ended", ("state",), ended)
        waiting = processes.unresolved
        yield _number("processes_unresolved", "Processes that wait for a person", waiting)
        yield _counter("codes", "Codes that came into a state", ("state",), codes)

    def _due_work(self) -> Iterator[Metric]:
        completer = self._watched.completer
        yield _gauge(
            "due_work",
            "Timers and errands at the institution that are written down",
            ("kind",),
            [((kind,), count) for kind, count in self._watched.processes.due.items()],
        )
        yield _gauge(
            "due_work_late_seconds",
            "How long the oldest work that is due waits for its end",
            ("kind",),
            [((kind,), seconds) for kind, seconds in completer.late_seconds.items()],
        )
        yield _gauge(
            "due_work_under_way",
            "Timers and errands at the institution that are worked at",
            ("kind",),
            [((kind,), count) for kind, count in completer.under_way.items()],
        )

    def _passwords(self) -> Iterator[Metric]:
        work = self._watched.passwords.work
        done = {"hashed": work.hashed, "checked": work.checked, "turned_away": work.turned_away}
        yield _counter(
            "password_turns",
            "Passwords that were hashed or checked, and callers that got no turn",
            ("outcome",),
            [((outcome,), count) for outcome, count in done.items()],
        )
        waiting = work.waiting_most
        yield _number("password_waiting_most", "Most callers that ever waited for a turn", waiting)

    def _disk_use(self) -> Iterator[Metric]:
        use = self._disk()
        files = [(("database",), use.database_bytes), (("log",), use.log_bytes)]
        yield _gauge("database_bytes", "Size of the database and its log", ("file",), files)
        yield _number("disk_free_bytes", "Room on the disk of the database", use.free_bytes)
        yield _number("disk_floor_bytes", "Room below which nothing is begun", use.floor_bytes)

    def _runtime(self) -> Iterator[Metric]:
        collections = enumerate(self._pauses.collections)
        yield _histogram(
            "gc_pause_seconds",
            "Time of a garbage collection, in which nothing else runs",
            ("generation",),
            [((str(generation),), histogram) for generation, histogram in collections],
        )
        yield _histogram(
            "loop_lag_seconds",
            "How late the event loop came to something that was due",
            (),
            [((), self._pauses.lateness)],
        )


def _counter(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Metric:
    family = CounterMetricFamily(f"tallymark_{name}", f"{text}.", labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(f"tallymark_{name}", f"{text}.", labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _number(name: str, text: str, number: float) -> Metric:
    return GaugeMetricFamily(f"tallymark_{name}", f"{text}.", value=number)


def _histogram(
    name: str,
    text: str,
    labels: tuple[str, ...],
    rows: Iterable[tuple[tuple[str, ...], Histogram]],
) -> Metric:
    family = HistogramMetricFamily(f"tallymark_{name}", f"{text}.", labels=labels)
    for values, histogram in rows:
        family.add_metric(values, histogram.buckets(), histogram.total)
    return family
