"""Fires calls at the moments at which they are due, whatever the answers do.

An open loop: a server that stalls gets the next calls all the same, as it would from people. What
a call took counts from when it was due, and how late it left is kept apart (see Measurements).

Three things keep a shot on time. Timers of an event loop are exact to a millisecond at best, so
the last stretch before a shot is spent polling. Python's search for garbage stops everything, so
what was there before the first shot is left out of it, and full searches wait until after the last.
And when many shots are due at once, answers are read in between.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from tallymark_load.connections import Connections
from tallymark_load.results import Measurements, Sample, Stop, StopWhen

__all__ = ["Ended", "Shot", "fire"]

_SECOND: Final = 1_000_000_000

_POLLED_NS: Final = 2_000_000
"""How long before a shot the engine stops sleeping; timers of libuv count whole milliseconds."""

_LOOK_SECONDS: Final = 0.2
_PATIENCE_AFTER_STOP_SECONDS: Final = 1.0

_AT_ONCE: Final = 8
"""Shots that may leave before answers are read again."""

_YOUNG_OBJECTS: Final = 20_000
_YOUNG_PER_OLDER: Final = 50
_NEVER: Final = 1_000_000
"""Thresholds of the garbage collector: a search of young objects takes about a millisecond."""


class Ended(NamedTuple):
    """How a call ended: "OK", the machine-readable reason or the name of the status code."""

    outcome: str
    is_expected: bool = False
    """Whether this outcome was to come, so that it is no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One thing to do at a moment, in nanoseconds since the start; None: as soon as it is its turn.

    `ready` waits for what the shot needs; that wait counts as lateness, unless the shot has no
    moment of its own. `fire` sends, and returns how it ended. Without a method nothing is measured.
    """

    due_ns: int | None
    method: str
    fire: Callable[[Connections], Awaitable[Ended | str]]
    ready: Callable[[], Awaitable[None]] | None = None
    after: Callable[[], Awaitable[None]] | None = None
    """What is to be done with the answer, when the time it took is known."""


async def fire(
    shots: Iterable[Shot] | AsyncIterable[Shot],
    *,
    connections: Connections,
    measurements: Measurements,
    stop_when: StopWhen | None = None,
    patience_seconds: float = 30.0,
) -> Stop | None:
    """Fire the shots in their order; return when all have ended, with what stopped them early.

    The start is that of the measurements, and their clock time.monotonic_ns. When after the last
    shot nothing ended for `patience_seconds`, what is under way is cancelled; after a stop, soon.
    """
    engine = _Engine(connections, measurements, stop_when or StopWhen())
    with _garbage_left_for_later():
        try:
            await engine.fire(shots)
        finally:
            await engine.end(patience_seconds)
    return engine.stop


class _Engine:
    def __init__(
        self, connections: Connections, measurements: Measurements, stop_when: StopWhen
    ) -> None:
        self.stop: Stop | None = None
        self._connections = connections
        self._measurements = measurements
        self._stop_when = stop_when
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._next_look_ns = measurements.started_ns + _SECOND

    async def fire(self, shots: Iterable[Shot] | AsyncIterable[Shot]) -> None:
        start = self._measurements.started_ns
        unread = 0
        async for shot in _each(shots):
            unread += 1
            if shot.due_ns is not None and await self._wait_until(start + shot.due_ns):
                unread = 0
            if unread >= _AT_ONCE:
                unread = 0
                await asyncio.sleep(0)
            self._look(time.monotonic_ns())
            if self.stop or self._failed:
                return
            self._begin(shot)

    async def end(self, patience_seconds: float) -> None:
        """Let calls end, then cancel them; raise what went wrong in one that is no call's error."""
        patience = patience_seconds
        while self._tasks and not self._failed and patience > 0:
            self._look(time.monotonic_ns())
            under_way = len(self._tasks)
            await asyncio.wait(self._tasks, timeout=_LOOK_SECONDS)
            if self.stop:
                patience = min(patience, _PATIENCE_AFTER_STOP_SECONDS)
            elif len(self._tasks) < under_way:
                patience = patience_seconds
            patience -= _LOOK_SECONDS
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failed:
            raise self._failed

    async def _wait_until(self, moment_ns: int) -> bool:
        """Wait, and say whether that let the loop do anything else."""
        has_waited = False
        while (left := moment_ns - time.monotonic_ns()) > 0 and not (self.stop or self._failed):
            has_waited = True
            if left <= _POLLED_NS:
                await asyncio.sleep(0)
                continue
            nap = min(left - _POLLED_NS, _SECOND)
            await asyncio.sleep(nap / _SECOND)
            self._look(time.monotonic_ns())
        return has_waited

    def _begin(self, shot: Shot) -> None:
        task = asyncio.get_running_loop().create_task(self._play(shot))
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    async def _play(self, shot: Shot) -> None:
        if shot.ready is not None:
            await shot.ready()
        sent = time.monotonic_ns()
        if shot.method:
            self._measurements.count_sent()
        ended = await shot.fire(self._connections)
        if shot.method:
            self._record(shot, sent, ended if isinstance(ended, Ended) else Ended(ended))
        if shot.after is not None:
            await shot.after()

    def _record(self, shot: Shot, sent_ns: int, ended: Ended) -> None:
        start = self._measurements.started_ns
        self._measurements.record(
            Sample(
                method=shot.method,
                intended_ns=sent_ns if shot.due_ns is None else start + shot.due_ns,
                sent_ns=sent_ns,
                ended_ns=time.monotonic_ns(),
                outcome=ended.outcome,
                is_expected=ended.is_expected,
            )
        )

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self._failed is None:
            self._failed = task.exception()

    def _look(self, now_ns: int) -> None:
        if now_ns < self._next_look_ns:
            return
        self._next_look_ns = now_ns + _SECOND
        self.stop = self.stop or self._stop_when.check(self._measurements, now_ns)


async def _each(shots: Iterable[Shot] | AsyncIterable[Shot]) -> AsyncIterator[Shot]:
    if isinstance(shots, AsyncIterable):
        async for shot in shots:
            yield shot
    else:
        for shot in shots:
            yield shot


@contextmanager
def _garbage_left_for_later() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_PER_OLDER, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
