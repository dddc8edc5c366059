"""What a lane does when something around it breaks."""

import asyncio

import pytest

from tallymark_protocol.errors import UnknownOutcome
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.storage.memory import MemoryStore
from tests.integration.lane_ground import furnish, name_of, revoke_codes
from tests.world.clock import MovedClock

DEADLINE_SECONDS = 5.0


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
