"""Finishes what was left open: asks the credit institution, and ends what nobody answered in time.

Everything it does was written down first, as `Due` rows: the intent, then the call, then the
outcome as a new command. So a server that dies in between takes it up again at its next start, and
every call can be repeated by its id.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from tallymark_protocol.errors import TallymarkError
from tallymark_server.clock import Clock
from tallymark_server.domain.commands import Command, FireTimer
from tallymark_server.domain.model.processes import CALL, TIMER, Due, Process
from tallymark_server.domain.state import Key
from tallymark_server.institution import CreditInstitution
from tallymark_server.lanes.errands import COMPLETER, run_errand
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.storage.store import Store

__all__ = ["POLL_SECONDS", "Completer"]

POLL_SECONDS: Final = 1.0
"""How late a timer may be noticed."""

TASKS_MAX: Final = 200
"""Outside calls at the same time, and as many timers: no slow institution delays these."""

_log = logging.getLogger(__name__)


class Completer:
    """Takes up due work when it is committed, and everything overdue once a second."""

    def __init__(
        self,
        *,
        store: Store,
        lane: Lane,
        clock: Clock,
        institution: CreditInstitution,
        partitions: Sequence[int],
    ) -> None:
        """Take the parts it works with, and the partitions whose work is its own."""
        self._store = store
        self._lane = lane
        self._clock = clock
        self._institution = institution
        self._partitions = partitions
        self._serving_since = clock.now()
        self._running: dict[str, dict[Key[Any], asyncio.Task[None]]] = {TIMER: {}, CALL: {}}
        self._stopping = asyncio.Event()
        self.late_seconds = dict.fromkeys(self._running, 0.0)
        """For how long the oldest work of each kind was due at the last look."""

    @property
    def under_way(self) -> dict[str, int]:
        """How much of each kind is worked at."""
        return {kind: len(tasks) for kind, tasks in self._running.items()}

    def notice(self, changes: Changes) -> None:
        """Take up work among committed changes that is due at once."""
        now = self._clock.now()
        for row in changes.values():
            if isinstance(row, Due) and row.due_at <= now:
                self._start(row)

    async def run(self) -> None:
        """Look for due work until stopped, then wait for what is under way."""
        while not self._stopping.is_set():
            await self.run_due()
            try:
                await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Start nothing new; what is under way is cut off, and taken up again at the next start."""
        self._stopping.set()
        for task in self._tasks():
            task.cancel()

    async def run_due(self) -> None:
        """Take up everything that is due now."""
        late_seconds = dict.fromkeys(self._running, 0.0)
        for partition in self._partitions:
            for kind in self._running:
                now = self._clock.now()
                last = f"{kind}/{now + 1:013d}"
                due = await self._store.scan(
                    Due, partition, first=f"{kind}/", last=last, limit=TASKS_MAX
                )
                for row in due:
                    self._start(row)
                if due:
                    late_seconds[kind] = max(late_seconds[kind], (now - due[0].due_at) / 1000)
        self.late_seconds = late_seconds

    async def settled(self) -> None:
        """Wait until nothing is under way (for tests and for stopping)."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for running in self._running.values() for task in running.values()]

    def _start(self, row: Due) -> None:
        key, running = row.key, self._running[row.kind]
        if self._stopping.is_set() or key in running or len(running) >= TASKS_MAX:
            return  # it stays written down, and the next look finds it
        task = asyncio.create_task(self._work(row))
        running[key] = task
        task.add_done_callback(lambda _: running.pop(key, None))

    async def _work(self, row: Due) -> None:
        try:
            command = await self._outcome(row)
            if command is not None:
                await self._lane.submit(command)
        except TallymarkError as error:
            _log.warning("due work is put off: %s", error)
        except Exception:  # noqa: BLE001 -- a fault in one piece of work must not stop the others
            _log.exception("due work failed and will be tried again")

    async def _outcome(self, row: Due) -> Command | None:
        """Do what is due and return the command that records it."""
        if row.kind == TIMER:
            return FireTimer(
                caller=COMPLETER,
                partition=row.partition,
                process_id=row.process_id,
                timer_at=row.due_at,
            )
        key = Process.key_of(row.process_id)
        process = (await self._store.load([key]))[key]
        assert isinstance(process, Process), "due work has a process"
        return await run_errand(self._institution, process, row, serving_since=self._serving_since)
