"""TerminalService.Exchange: batches of commands in, batches of answers out, over one stream.

    Stream       reads while less than so much is unanswered, sends what is ready, ends when all is
    Turns        all streams together have as many commands at work as keep the lane busy
    BatchDesk    a batch: checked once, made into commands, decided in one go, answered
    FollowedProcesses    later states of what was undecided

Commands and answers are made by what unary calls use. Per command there is no task, no wake-up and
no line of a log.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from typing import Any, Final

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark_protocol.errors import NotDone, TallymarkError
from tallymark_server.domain.commands import Caller
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.lane import BATCH_MAX
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.contract_rules import Checked, check_batch
from tallymark_server.services.exchange_batches import Answered, BatchDesk, failed, is_slow
from tallymark_server.services.followed_processes import FollowedProcesses
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.terminal_answers import TerminalAnswers
from tallymark_server.services.told_errors import as_told
from tallymark_server.services.turns import Turns
from tallymark_server.services.witnesses import Witnesses

__all__ = ["AT_WORK_MAX", "UNANSWERED_MAX", "Exchange"]

UNANSWERED_MAX: Final = 800
"""Commands of a stream: so many unanswered, and it is read no further."""

AT_WORK_MAX: Final = 2 * BATCH_MAX
"""Commands of all streams that are at work: one batch of the lane is decided, one waits.

More of them would only wait in another place, and a call behind them.
"""

ANSWER_BYTES_MAX: Final = 3 * 1024 * 1024
"""Of a message: the clients of gRPC take 4 MiB unless they are told otherwise."""

_Requests = AsyncIterator[contract.ExchangeRequest | None]
_Decide = Callable[[Caller, Sequence[Checked]], Awaitable[Sequence[Answered]]]


class Exchange:
    """Serves streams of commands."""

    def __init__(  # noqa: PLR0913 -- what a stream works with
        self,
        *,
        desk: BatchDesk,
        answers: TerminalAnswers,
        lookup: Lookup,
        feed: Feed,
        checkpoints: Checkpoints,
        witnesses: Witnesses,
    ) -> None:
        """Take the parts it works with."""
        self._desk = desk
        self._answers = answers
        self._lookup = lookup
        self._feed = feed
        self._checkpoints = checkpoints
        self._witnesses = witnesses
        self._turns = Turns(AT_WORK_MAX)

    async def serve(
        self, caller: Caller, requests: _Requests
    ) -> AsyncGenerator[contract.ExchangeResponse]:
        """Yield the answers to what is requested, until all of it is answered.

        Raises:
            TallymarkError: what was sent is no batch, or the server stops.

        """
        has_news = asyncio.Event()
        followed = FollowedProcesses(
            feed=self._feed, lookup=self._lookup, answers=self._answers, has_news=has_news
        )
        stream = _Stream(caller, self._desk, self._turns, followed, has_news)
        try:
            async for answers in stream.serve(requests):
                newest = await self._checkpoints.text()
                yield contract.ExchangeResponse(
                    answers=answers, checkpoint=newest, witness=self._witnesses.tell(newest)
                )
        finally:
            await stream.close()


class _Stream:
    """One stream: what is unanswered, what is ready, and what is followed."""

    def __init__(
        self,
        caller: Caller,
        desk: BatchDesk,
        turns: Turns,
        followed: FollowedProcesses,
        has_news: asyncio.Event,
    ) -> None:
        self._caller = caller
        self._desk = desk
        self._turns = turns
        self._followed = followed
        self._has_news = has_news
        self._may_read = asyncio.Event()
        self._ready: list[contract.ExchangeAnswer] = []
        self._unanswered = 0
        self._end: TallymarkError | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, requests: _Requests) -> AsyncIterator[list[contract.ExchangeAnswer]]:
        """Yield what is ready. What is yielded is answered when the next one is asked for."""
        reading = self._start(self._read(requests))
        while not reading.done() or self._unanswered:
            await self._has_news.wait()
            self._has_news.clear()
            ready, self._ready = self._ready, []
            news: list[contract.ExchangeAnswer] = []
            if self._end is None:
                try:
                    news = self._followed.news()
                except NotDone as stopping:
                    self._end = stopping
                    reading.cancel()
            for answers in _in_bounds([*ready, *news]):
                yield answers
            self._unanswered -= len(ready)
            self._may_read.set()
        if self._end is not None:
            raise self._end

    async def close(self) -> None:
        """Leave what is under way; what the lane has of it is decided all the same."""
        self._followed.close()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, requests: _Requests) -> None:
        """Start on batch after batch, until the caller has sent all."""
        try:
            async for request in requests:
                batch = check_batch(request)
                await self._turns.take(len(batch))
                self._unanswered += len(batch)
                self._begin(batch)
                while self._unanswered >= UNANSWERED_MAX:
                    self._may_read.clear()
                    await self._may_read.wait()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the caller is told
            self._end = as_told(error, "reading a stream")

    def _begin(self, batch: Sequence[Checked]) -> None:
        """Work on what needs no waiting in one go, on everything else by itself."""
        quick = [one for one in batch if not is_slow(one)]
        if quick:
            self._hand_over(quick, self._desk.decide)
        if len(quick) < len(batch):
            for one in batch:
                if is_slow(one):
                    self._hand_over([one], self._desk.look_up)

    def _hand_over(self, batch: Sequence[Checked], decide: _Decide) -> None:
        task = self._start(self._work(batch, decide))
        # Not in the task: one that is cancelled before it begins would never give them back.
        task.add_done_callback(lambda _: self._turns.give(len(batch)))

    async def _work(self, batch: Sequence[Checked], decide: _Decide) -> None:
        try:
            answered = await decide(self._caller, batch)
        except Exception as error:  # noqa: BLE001 -- nobody can say what became of them
            told = as_told(error, "a batch of a stream")
            answered = [failed(one, told) for one in batch]
        undecided = self._followed.add(answered)
        self._ready += [one.message for one in answered]
        self._has_news.set()
        if undecided:
            await self._followed.catch_up(undecided)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._has_news.set()


def _in_bounds(
    answers: list[contract.ExchangeAnswer],
) -> Iterator[list[contract.ExchangeAnswer]]:
    """Yield the answers in as few messages as may be."""
    size_bytes = sum(answer.ByteSize() for answer in answers)
    if size_bytes <= ANSWER_BYTES_MAX or len(answers) == 1:
        if answers:
            yield answers
        return
    half = len(answers) // 2
    yield from _in_bounds(answers[:half])
    yield from _in_bounds(answers[half:])
