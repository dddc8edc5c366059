"""Plays a scenario: visits begin on time whatever becomes of those before, or as users come again.

The seed decides the kinds of visits, their values and the order of customers. Who is free when
depends on the answers, so two runs with one seed are alike, and not the same; for the same calls
again, record a run and replay it.
"""

import random
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Final

from tallymark_load.connections import Connections
from tallymark_load.replay.shooter import Shot, fire
from tallymark_load.results import Measurements, Stop, StopWhen
from tallymark_load.scenarios.arrivals import due_times
from tallymark_load.scenarios.chain import CallFailed, Chain
from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.scenario import Scenario, VisitShare
from tallymark_load.scenarios.stage import Stage
from tallymark_load.scenarios.visit import Visit, VisitBook

__all__ = ["play"]

_NANOSECONDS: Final = 1_000_000_000


async def play(
    scenario: Scenario,
    stage: Stage,
    *,
    connections: Connections,
    measurements: Measurements,
    stop_when: StopWhen | None = None,
) -> tuple[VisitBook, Stop | None]:
    """Play all visits; return how they ended, and what stopped the run early."""
    playing = _Playing(scenario, stage, measurements)
    try:
        stop = await fire(
            playing.users() if scenario.users else playing.arrivals(),
            connections=connections,
            measurements=measurements,
            stop_when=stop_when,
        )
    finally:
        await stage.end()
    return playing.book, stop


class _Playing:
    def __init__(self, scenario: Scenario, stage: Stage, measurements: Measurements) -> None:
        self.book = VisitBook()
        self._scenario = scenario
        self._stage = stage
        self._measurements = measurements
        self._draw = random.Random(scenario.seed)  # noqa: S311 - a load is no secret
        self._number = 0
        self._is_over = False
        stage.begin(self._draw)

    def arrivals(self) -> Iterator[Shot]:
        """Yield the visits of an open loop; each measures its calls itself."""
        for due_ns in due_times(self._scenario.stretches):
            share, draw = self._next()
            yield Shot(
                due_ns=due_ns,
                method="",
                fire=partial(self._visit, share, draw, self._measurements.started_ns + due_ns),
            )

    async def users(self) -> AsyncIterator[Shot]:
        """Yield the users of a closed loop, then wait for its end."""
        for _ in range(self._scenario.users):
            yield Shot(due_ns=0, method="", fire=self._come_again_and_again)
        end_ns = round(self._scenario.seconds * _NANOSECONDS)
        yield Shot(due_ns=end_ns, method="", fire=self._end)

    async def _come_again_and_again(self, connections: Connections) -> str:
        while not self._is_over:
            share, draw = self._next()
            await self._visit(share, draw, time.monotonic_ns(), connections)
        return ""

    async def _end(self, _: Connections) -> str:
        self._is_over = True
        return ""

    def _next(self) -> tuple[VisitShare, random.Random]:
        """Draw the next visit; its own values come from a generator of its own."""
        self._number += 1
        shares = self._scenario.visits
        share = self._draw.choices(shares, [one.share for one in shares])[0]
        return share, random.Random(f"{self._scenario.seed}/{self._number}")  # noqa: S311 - the same

    async def _visit(
        self, share: VisitShare, draw: random.Random, due_ns: int, _: Connections
    ) -> str:
        kind = KINDS[share.kind]
        self.book.waited_for_customer += self._stage.is_crowded()
        phone = await self._stage.borrow()
        try:
            terminal, other = self._stage.terminals_for(phone, draw)
            think = partial(draw.uniform, *self._scenario.think_seconds)
            visit = Visit(
                chain=Chain(self._measurements, due_ns=due_ns, think_seconds=think),
                phone=phone,
                terminal=terminal,
                other_terminal=other,
                streamed=self._stage.streamed(terminal),
                operator=self._stage.operator,
                options=share.options,
                random=draw,
            )
            try:
                ending = await kind.play(visit)
            except CallFailed as failed:
                ending = failed.outcome
            self.book.note(share.kind, ending, expected=kind.expected)
            self.book.points += visit.points
        finally:
            self._stage.give_back(phone)
        return ""
