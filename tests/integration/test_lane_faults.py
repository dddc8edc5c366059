"""What a lane does when something around it breaks."""

import asyncio

import pytest

from tallymark_protocol.errors import NotDone, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import ClockStepped
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.storage.memory import MemoryStore
from tests.integration.lane_ground import furnish, name_of, revoke_codes
from tests.world.clock import MovedClock

DEADLINE_SECONDS = 5.0


class BrokenClock(MovedClock):
    """Tells no time any more, once it was set."""

    is_stepped = False

    def now(self) -> int:
        if self.is_stepped:
            raise ClockStepped(3_600)
        return super().now()


async def test_nobody_is_left_waiting_when_an_observer_of_commits_fails() -> None:
    store = MemoryStore()
    await furnish(store, 1)

    def fail(_: Changes) -> None:
        message = "an observer broke"
        raise RuntimeError(message)

    lane = Lane(store=store, clock=MovedClock(), on_commit=fail)
    running = asyncio.create_task(lane.run())

    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(UnknownOutcome, match="Try the same request again"):
            await lane.submit(revoke_codes(name_of(0)))
        with pytest.raises(RuntimeError, match="an observer broke"):
            await running


async def test_a_clock_that_is_set_before_a_decision_is_told_as_not_done() -> None:
    store, clock = MemoryStore(), BrokenClock()
    await furnish(store, 1)
    lane = Lane(store=store, clock=clock, on_commit=lambda _: None)
    running = asyncio.create_task(lane.run())
    clock.is_stepped = True

    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(NotDone) as told:
            await lane.submit(revoke_codes(name_of(0)))
        with pytest.raises(ClockStepped):
            await running
    assert told.value.reason is Reason.SHUTTING_DOWN
    assert (await store.journal_head(0)).sequence == 0


async def test_a_clock_that_is_set_after_the_commit_is_told_as_unknown() -> None:
    """The observers of a commit ask for the time, too; by then it is done."""
    store, clock = MemoryStore(), BrokenClock()
    await furnish(store, 1)

    def look(_: Changes) -> None:
        clock.is_stepped = True
        clock.now()

    lane = Lane(store=store, clock=clock, on_commit=look)
    running = asyncio.create_task(lane.run())

    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(UnknownOutcome) as told:
            await lane.submit(revoke_codes(name_of(0)))
        with pytest.raises(ClockStepped):
            await running
    assert not isinstance(told.value, NotDone)
    assert (await store.journal_head(0)).sequence == 1
