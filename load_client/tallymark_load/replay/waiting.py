"""What a message waits for, beside its time: values, its turn, answers on its stream."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from tallymark_load.replay.correlation import Correlation, Key
from tallymark_load.replay.plan import Plan, PlannedCall, Step
from tallymark_load.replay.played import Played
from tallymark_load.replay.streams import StreamAnswers

__all__ = ["Waiting"]

_SECOND: Final = 1_000_000_000

_VALUE_SECONDS: Final = 30.0
"""How long a value is waited for that only an open stream could still tell.

Calls that end by themselves are waited for as long as they take, however busy the server is.
"""

_ANSWERS_SECONDS: Final = 3.0
"""How long a stream waits for answers that were recorded; fewer may come."""


_SHOWN_SECONDS: Final = 1.5
"""How long the first one waits for what a stream had shown: a change comes within a second."""

_LAST_ANSWERS_SECONDS: Final = 10.0
"""The same before its caller gives a stream up; nobody waits for that."""


class Waiting:
    """Waits; knows which steps had to."""

    def __init__(
        self,
        plan: Plan,
        played: Mapping[PlannedCall, Played],
        pairing: Mapping[PlannedCall, StreamAnswers],
        correlation: Correlation,
        *,
        is_faster: bool,
    ) -> None:
        """Take the plan, and what has come of it so far."""
        self.waited: set[Step] = set()
        self._plan = plan
        self._played = played
        self._pairing = pairing
        self._correlation = correlation
        self._is_faster = is_faster

    async def for_step(self, step: Step) -> list[Key]:
        """Wait until a step may be sent; return the values that it needs and nobody told.

        What nobody told in the recording either is not missing: it is sent as it was recorded.
        """
        call, played = step.call, self._played[step.call]
        if (before := call.step_before(step)) is not None:
            await before.sent.wait()
        missing: list[Key] = []
        for key in step.needs:
            if self._correlation.now(key) is None and not await self._told(key, step):
                (missing if self._tellers(key, step) else played.unknown).append(key)
        for other in (*step.after, *(step.after_of_caller if self._is_faster else ())):
            if not other.settled.is_set():
                self.waited.add(step)
                await self._settled(other)
        if call.is_timed:
            await self._keep_distance(step)
        if self._is_faster and _answers_are_counted(call):
            await self._until(played, lambda: len(played.bodies) >= step.answers_before)
        if step is call.ending and call.is_given_up:
            await self._until(
                played, lambda: self._has_recorded_answers(played), _LAST_ANSWERS_SECONDS
            )
        return missing

    async def for_answer(self, step: Step) -> None:
        """Return when a message on a stream has been answered, or the stream has ended.

        Where answers do not name what they answer, the next one is it.
        """
        played = self._played[step.call]
        before = len(played.bodies)
        while not step.call.over.is_set():
            if step.asked <= played.answered if step.asked else len(played.bodies) > before:
                return
            await played.news.wait()

    async def _settled(self, step: Step) -> None:
        if not step.is_shown:
            await step.settled.wait()
            return
        # A state that was shown may be left out when the next one comes soon.
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHOWN_SECONDS):
                await step.settled.wait()
        step.settled.set()

    async def _told(self, key: Key, step: Step) -> bool:
        """Wait for a value until it is told, or nobody is left who could tell it."""
        tellers = self._tellers(key, step)
        if not tellers:
            return False
        self.waited.add(step)
        streams = [teller for teller in tellers if teller.method.server_streams]
        calls = [teller for teller in tellers if not teller.method.server_streams]
        await self._told_or_over(key, calls)
        await self._told_or_over(key, streams, _VALUE_SECONDS)
        return self._correlation.now(key) is not None

    async def _told_or_over(
        self, key: Key, tellers: Sequence[PlannedCall], seconds: float | None = None
    ) -> None:
        told = asyncio.ensure_future(self._correlation.event(key).wait())
        over = asyncio.ensure_future(_all_over(tellers))
        try:
            await asyncio.wait({told, over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            over.cancel()

    def _tellers(self, key: Key, step: Step) -> list[PlannedCall]:
        return [call for at, call in self._plan.providers.get(key, ()) if at <= step.at_ns]

    async def _keep_distance(self, step: Step) -> None:
        """Wait as long as was recorded after whatever it is about: only time brings it about."""
        others = [teller.steps[0] for key in step.needs for teller in self._tellers(key, step)]
        others += step.after
        if step is step.call.ending:
            others += step.call.steps[:1]
        for other in others:
            if other.replayed_at_ns and other.at_ns < step.at_ns:
                moment = other.replayed_at_ns + step.at_ns - other.at_ns
                if (left := moment - time.monotonic_ns()) > 0:
                    self.waited.add(step)
                    await asyncio.sleep(left / _SECOND)

    async def _until(
        self, played: Played, is_so: Callable[[], bool], seconds: float = _ANSWERS_SECONDS
    ) -> None:
        """Wait for answers on a stream, but not forever: fewer may come than were recorded."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not played.planned.over.is_set() and not is_so():
                    await played.news.wait()

    def _has_recorded_answers(self, played: Played) -> bool:
        pairing = self._pairing.get(played.planned)
        if pairing is not None:
            return pairing.has_all_last()
        return len(played.bodies) >= len(played.planned.recorded.received)


async def _all_over(calls: Iterable[PlannedCall]) -> None:
    for call in calls:
        await call.over.wait()


def _answers_are_counted(call: PlannedCall) -> bool:
    """Say whether nothing but their number tells which answers came before a message.

    Where they name what they answer, those before it have been waited for by name, and their number
    says nothing: a busy server puts more of them into one message.
    """
    return call.method.client_streams and not (call.rule is not None and call.rule.asked)
