"""A lane: the only writer of its partitions.

It gathers the commands that have arrived, and for the whole batch
1. decides one after another by the pure rules, loading all rows asked for at once, round by round,
   unless it remembers them from an earlier batch; that a request is new it presumes,
2. saves all changes and journal entries in one durable transaction, which proves what was presumed,
3. answers.

A command that comes alone waits for nobody. Where several come at once more are on their way, and
a batch waits a moment for them (docs/decisions/0022). A caller that goes away changes nothing: its
command is decided and saved all the same.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

from tallymark_protocol.errors import NotDone, TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock, ClockStepped
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import (
    Command,
    CompleteProcess,
    ConfirmProcess,
    RemoveDevice,
    ReverseProcess,
    RevokeCode,
    RevokeDevice,
    RevokeKey,
    RevokeOperator,
    RevokeTerminal,
    SettleProcess,
)
from tallymark_server.domain.decide import decide
from tallymark_server.domain.model.journal import JournalEntry, JournalHead
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.state import Key, Need, Row
from tallymark_server.lanes.batch import Batch, Waiter, Waiting
from tallymark_server.lanes.row_memory import RowMemory
from tallymark_server.lanes.together import Place, Together
from tallymark_server.storage.store import RowExists, Store
from tallymark_server.watching.command_fields import log_fields
from tallymark_server.watching.lane_work import LaneWork

__all__ = ["BATCH_MAX", "QUEUE_MAX", "RETRY_AFTER_SECONDS", "ROUNDS_MAX", "Changes", "Lane"]

BATCH_MAX: Final = 400
"""Commands in one transaction.

At 100 a command costs 47 us of storage, at 400 30 us (measured); more gains little.
"""

QUEUE_MAX: Final = 4_000
"""Commands that may wait.

Beyond them callers are told to come back, so that nobody waits longer than a few seconds.
"""

ENDING_MAX: Final = 1_000
"""Commands that may wait beyond those if they end something."""

COMPANY_SECONDS: Final = 0.001
"""How long a batch of several waits for more, again as long as some have come.

Of 64 callers at once some 5 were in a batch without it, and 17 with it, for a third less of the
processor each (measured).
"""

ROUNDS_MAX: Final = 16
"""Times that a command may ask for more rows.

The longest rule asks less than half as often; more is a fault.
"""

RETRY_AFTER_SECONDS: Final = 0.5
"""When a caller that was sent away may come back."""

ROOM_AFTER_SECONDS: Final = 30.0
"""When a caller may come back whom a nearly full disk sent away: a person has to make room."""

_ENDS: Final = (
    CompleteProcess,
    ConfirmProcess,
    RemoveDevice,
    ReverseProcess,
    RevokeCode,
    RevokeDevice,
    RevokeKey,
    RevokeOperator,
    RevokeTerminal,
    SettleProcess,
)
"""What frees, or must not wait for a person: it is taken as long as anything can be written."""

Changes = Mapping[Key[Any], Row | None]

_log = logging.getLogger(__name__)


def _begins(command: Command) -> bool:
    """Say whether a caller wants something new; the server itself only ends what was begun."""
    return command.caller.kind is not CallerKind.SERVER and not isinstance(command, _ENDS)


class Lane:
    """Decides commands in batches. `run` it in a task; `submit` from anywhere on the same loop."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        on_commit: Callable[[Changes], None],
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the store, whom to tell of every committed batch, and what knows of a full disk."""
        self._store = store
        self._clock = clock
        self._on_commit = on_commit
        self._has_room = has_room
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._was_alone = True
        self._heads: dict[int, JournalHead] = {}
        self._memory = RowMemory()
        self.work = LaneWork()

    @property
    def waiting(self) -> int:
        """How many commands wait for their batch."""
        return len(self._queue)

    async def submit(self, command: Command) -> Answer:
        """Return the answer, once it is durable.

        Raises:
            NotDone: too much is waiting, the lane is stopping, or the disk is nearly full; nothing
                was done.
            UnknownOutcome: a fault; the same request may be repeated.

        """
        self._refuse_unless_taken_on(command)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(Waiting(command, answer))
        self._arrived.set()
        return await answer

    async def submit_all(self, commands: Sequence[Command]) -> Sequence[Answer | TallymarkError]:
        """Return what became of each, once all of it is durable; an error stands for itself."""
        if not commands:
            return ()
        together = Together(len(commands))
        for index, command in enumerate(commands):
            try:
                self._refuse_unless_taken_on(command)
            except NotDone as error:
                together.put(index, error)
            else:
                self._queue.append(Waiting(command, Place(together, index)))
        self._arrived.set()
        return await together.all()

    def _refuse_unless_taken_on(self, command: Command) -> None:
        if self._stopping:
            raise NotDone(Reason.SHUTTING_DOWN, retry_after_seconds=RETRY_AFTER_SECONDS)
        queue_max = QUEUE_MAX if _begins(command) else QUEUE_MAX + ENDING_MAX
        if len(self._queue) >= queue_max:
            raise NotDone(Reason.OVERLOADED, retry_after_seconds=RETRY_AFTER_SECONDS)
        if not self._has_room() and _begins(command):
            raise NotDone(Reason.DISK_NEARLY_FULL, retry_after_seconds=ROOM_AFTER_SECONDS)

    async def journal_head(self, partition: int) -> JournalHead:
        """Return where a partition's journal ends, as far as it is durable."""
        return self._heads.get(partition) or await self._store.journal_head(partition)

    def stop(self) -> None:
        """Take no more commands; `run` returns when those that wait are answered."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Decide batch after batch until stopped.

        Raises:
            StoreFailed: the store failed. All who wait were told that the outcome is unknown.
            ClockStepped: the machine's clock was moved. They were told that nothing was done.

        """
        try:
            while await self._await_work():
                await self._gather()
                count = min(len(self._queue), BATCH_MAX)
                await self._run_batch([self._queue.popleft() for _ in range(count)])
        finally:
            self._stopping = True
            self._give_up([waiting.answer for waiting in self._queue])

    async def _await_work(self) -> bool:
        """Wait until there is something to decide; False when stopped and done."""
        while not self._queue:
            if self._stopping:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    async def _gather(self) -> None:
        """Let those come who are on their way, unless a command came alone, as the one before."""
        count = 1 if self._was_alone else 0
        while count < len(self._queue) < BATCH_MAX and not self._stopping:
            count = len(self._queue)
            await asyncio.sleep(COMPANY_SECONDS)
        self._was_alone = len(self._queue) == 1

    async def _run_batch(self, waiting: list[Waiting]) -> None:
        self.work.commands.observe(len(waiting))
        try:
            batch = await self._commit(waiting)
            self._memory.learn(batch.used)
            if batch.changes:
                self._on_commit(batch.changes)
        except BaseException:
            self._give_up([one.answer for one in waiting])
            raise
        for answer, outcome in batch.outcomes:
            if answer.done():  # the caller went away
                continue
            if isinstance(outcome, TallymarkError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    async def _commit(self, waiting: list[Waiting]) -> Batch:
        """Decide and save; if a request was sent before after all, from the start with its row."""
        batch = Batch(self._memory, presumes=True)
        try:
            await self._decide_and_save(batch, waiting)
        except RowExists:
            batch = Batch(self._memory, presumes=False)
            await self._decide_and_save(batch, waiting)
        return batch

    async def _decide_and_save(self, batch: Batch, waiting: list[Waiting]) -> None:
        began = perf_counter()
        await self._decide(batch, waiting)
        decided = perf_counter()
        await self._save(batch)
        self.work.decide_seconds.observe(decided - began)
        if batch.changes:
            self.work.save_seconds.observe(perf_counter() - decided)

    async def _decide(self, batch: Batch, waiting: list[Waiting]) -> None:
        try:
            now = self._clock.now()
        except ClockStepped as stepped:  # before anything was decided
            self._give_up([one.answer for one in waiting], stepped)
            raise
        for rounds in range(1, ROUNDS_MAX + 1):
            waiting, needed = self._decide_round(batch, waiting, now)
            if not waiting:
                self.work.rounds.observe(rounds)
                return
            batch.know(await self._store.load(needed))
        for one in waiting:
            kind, told = type(one.command).__name__, log_fields(one.command)
            _log.error("%s never has the rows it needs", kind, extra=told)
            batch.fail(one)

    def _decide_round(
        self, batch: Batch, waiting: list[Waiting], now: int
    ) -> tuple[list[Waiting], set[Key[Any]]]:
        """Decide what can be decided; return the rest and the rows it needs."""
        left: list[Waiting] = []
        needed: set[Key[Any]] = set()
        for one in waiting:
            batch.presume_new(one.command)
            try:
                batch.take(one, decide(batch.rows, one.command, now))
            except Need as need:
                left.append(one)
                needed.update(need.keys)
            except Exception:  # noqa: BLE001 -- whatever it is, the other commands go on
                kind, told = type(one.command).__name__, log_fields(one.command)
                _log.exception("the rules failed on a %s", kind, extra=told)
                batch.fail(one)
        return left, needed

    async def _save(self, batch: Batch) -> None:
        new = batch.new()
        await self._look_for(batch.presumed - new)
        if not batch.changes:
            return
        heads = dict(self._heads)
        entries: list[JournalEntry] = []
        for partition, record in batch.records:
            head = heads.get(partition) or await self._store.journal_head(partition)
            entries.append(head.follow(partition, record))
            heads[partition] = entries[-1].head
        await self._store.save(batch.changes, entries, new)
        self._heads = heads

    async def _look_for(self, presumed: set[Key[Any]]) -> None:
        """Look for requests that were presumed to be new and of which no row is written.

        Raises:
            RowExists: one is there.

        """
        if presumed and any((await self._store.load(presumed)).values()):
            raise RowExists

    def _give_up(self, answers: list[Waiter], why: TallymarkError | None = None) -> None:
        for answer in answers:
            if not answer.done():
                answer.set_exception(
                    why
                    or UnknownOutcome(Reason.STORE_FAILED, retry_after_seconds=RETRY_AFTER_SECONDS)
                )
