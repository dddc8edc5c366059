"""Plays a plan: each message when it is due, has what it needs, and it is its turn."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from tallymark_load.connections import Connections
from tallymark_load.replay.callers import Callers
from tallymark_load.replay.calling import Calling
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.outcomes import OK
from tallymark_load.replay.pace import Pace
from tallymark_load.replay.plan import Plan, Step
from tallymark_load.replay.played import NOT_SENT, Played
from tallymark_load.replay.rules import ReplayRules
from tallymark_load.replay.shooter import Ended, Shot
from tallymark_load.replay.signing import Signing
from tallymark_load.replay.streams import StreamAnswers
from tallymark_load.replay.timing import Timing
from tallymark_load.replay.waiting import Waiting

__all__ = ["Player"]

_AT_ONCE_MAX: Final = 2_000
"""Flat out, how many messages may wait for their turn; more would only wait longer."""


class Player:
    """Makes shots of a plan's steps, and keeps what came of them."""

    def __init__(  # noqa: PLR0913 -- what a replay consists of
        self,
        plan: Plan,
        *,
        rules: ReplayRules,
        pace: Pace,
        callers: Callers,
        correlation: Correlation,
        signing: Signing,
        timing: Timing,
        connections: Connections,
    ) -> None:
        """Play nothing yet."""
        self.played = {call: Played(call) for call in plan.calls}
        pairing = {
            call: StreamAnswers(call.rule, call.received, correlation, rules.value_selection())
            for call in plan.calls
            if call.rule is not None
        }
        self._plan = plan
        self._pace = pace
        self._correlation = correlation
        self._timing = timing
        self._waiting = Waiting(plan, self.played, pairing, correlation, is_faster=pace.is_faster)
        self._calling = Calling(
            rules=rules,
            callers=callers,
            correlation=correlation,
            signing=signing,
            played=self.played,
            pairing=pairing,
        )
        self._connections = connections
        self._skipped: set[Step] = set()
        self._room = asyncio.Semaphore(_AT_ONCE_MAX) if pace.speed is None else None
        self._started_ns = 0

    async def shots(self, started_ns: int) -> AsyncIterator[Shot]:
        """Yield a shot for each step in the order of the recording, from this moment on."""
        self._started_ns = started_ns
        for step in self._plan.steps():
            if self._room is not None and step.message is not None:
                await self._room.acquire()
            # Most requests can be made before they are due, and then leave at once.
            if self._has_all(step):
                self._calling.prepare(step)
            yield self._shot(step)

    def _has_all(self, step: Step) -> bool:
        is_told = all(self._correlation.now(key) is not None for key in step.needs)
        return is_told and all(other.settled.is_set() for other in step.after)

    async def finish(self, patience_seconds: float) -> None:
        """Wait for the streams that are still open, then give them up."""
        await self._calling.finish(patience_seconds)

    def _shot(self, step: Step) -> Shot:
        call = step.call
        return Shot(
            due_ns=self._pace.due_ns(step.at_ns),
            method=call.recorded.method if call.is_measured_from(step) else "",
            ready=partial(self._ready, step),
            fire=partial(self._fire, step),
            after=partial(self._after, step),
        )

    async def _ready(self, step: Step) -> None:
        missing = await self._waiting.for_step(step)
        if missing:
            self.played[step.call].missing += missing
            self._skipped.add(step)
        else:
            self._calling.prepare(step)

    async def _fire(self, step: Step, connections: Connections) -> Ended:
        call, played = step.call, self.played[step.call]
        if step in self._skipped:
            return Ended(NOT_SENT)
        self._note(step)
        if call.method.is_unary:
            await self._calling.call(step, connections)
            return Ended(played.outcome, is_expected=played.is_expected)
        await self._fire_on_stream(step, connections)
        self._make_room(step)
        step.sent.set()
        if call.method.client_streams and not step.asked:
            # Its answer may be one to all that follows too.
            step.settled.set()
        if call.is_measured_from(step):
            await self._waiting.for_answer(step)
        return Ended(played.outcome or OK, is_expected=played.is_expected)

    async def _fire_on_stream(self, step: Step, connections: Connections) -> None:
        call = step.call
        if step is call.ending:
            await self._calling.end(call)
            return
        if step is call.steps[0]:
            self._calling.open(call, connections)
        if step.message is not None:
            await self._calling.write(step)
        if not call.method.client_streams:
            await self._calling.close(call)

    async def _after(self, step: Step) -> None:
        call = step.call
        if step in self._skipped:
            if step is call.steps[0]:
                self.played[call].outcome = NOT_SENT
                call.over.set()
        elif call.method.is_unary:
            await self._calling.called(step, self._connections)
        self._make_room(step)
        step.sent.set()
        step.settled.set()

    def _note(self, step: Step) -> None:
        step.replayed_at_ns = time.monotonic_ns()
        due = self._pace.due_ns(step.at_ns)
        if due is not None and step.message is not None:
            late = step.replayed_at_ns - self._started_ns - due
            self._timing.note(late, has_waited=step in self._waiting.waited)

    def _make_room(self, step: Step) -> None:
        if self._room is not None and step.message is not None and not step.sent.is_set():
            self._room.release()
