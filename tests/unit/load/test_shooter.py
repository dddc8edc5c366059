"""Shots leave when they are due, whatever becomes of those before."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallymark_load.connections import Connections, Route
from tallymark_load.replay.shooter import Ended, Shot, fire
from tallymark_load.results import Measurements, StopWhen

MILLISECOND = 1_000_000
SECOND = 1_000 * MILLISECOND

Firing = Callable[[Connections], Awaitable[Ended | str]]


def measured(*, seconds_ago: int = 0) -> Measurements:
    started = time.monotonic_ns() - seconds_ago * SECOND
    return Measurements(started_ns=started, started_at_ns=time.time_ns())


def shot(due_ns: int | None, firing: Firing, **more: Any) -> Shot:
    return Shot(due_ns=due_ns, method=more.pop("method", "/a.B/C"), fire=firing, **more)


async def ok(_: Connections) -> str:
    return "OK"


async def test_no_shot_waits_for_an_answer() -> None:
    answered = asyncio.Event()

    async def wait(_: Connections) -> str:
        await answered.wait()
        return "OK"

    async def answer(_: Connections) -> str:
        answered.set()
        return "OK"

    measurements = measured()
    shots = [shot(0, wait) for _ in range(100)]
    last = shot(MILLISECOND, answer)
    await fire([*shots, last], connections=Connections(), measurements=measurements)

    assert measurements.ended == 101
    assert measurements.errors == 0


async def test_no_shot_leaves_early() -> None:
    left: list[int] = []

    async def leave(_: Connections) -> str:
        left.append(time.monotonic_ns())
        return "OK"

    measurements = measured()
    moments = [0, 3 * MILLISECOND, 4 * MILLISECOND, 20 * MILLISECOND]
    shots = [shot(due, leave) for due in moments]
    await fire(shots, connections=Connections(), measurements=measurements)

    due = [measurements.started_ns + moment for moment in moments]
    assert all(moment >= planned for moment, planned in zip(left, due, strict=True))


async def test_what_a_shot_waits_for_counts_as_lateness_and_what_comes_after_does_not() -> None:
    happened: list[str] = []

    async def ready() -> None:
        happened.append("ready")

    async def leave(_: Connections) -> Ended:
        happened.append("sent")
        return Ended("REFUSED", is_expected=True)

    async def after() -> None:
        happened.append(f"after {measurements.ended}")

    measurements = measured()
    one = shot(0, leave, ready=ready, after=after)
    await fire([one], connections=Connections(), measurements=measurements)

    assert happened == ["ready", "sent", "after 1"]
    assert measurements.errors == 0


async def test_what_has_no_method_is_not_measured() -> None:
    measurements = measured()
    shots = [shot(0, ok), shot(0, ok, method="")]
    await fire(shots, connections=Connections(), measurements=measurements)

    assert (measurements.sent, measurements.ended) == (1, 1)


async def test_a_condition_stops_before_the_next_shot() -> None:
    async def hang(_: Connections) -> str:
        await asyncio.Event().wait()
        return "OK"

    measurements = measured(seconds_ago=5)
    shots = [shot(0, hang), shot(0, hang), shot(3600 * SECOND, ok)]
    stop = await fire(
        shots,
        connections=Connections(),
        measurements=measurements,
        stop_when=StopWhen(["duration>1s"]),
        patience_seconds=0,
    )

    assert stop is not None
    assert measurements.ended == 0


async def test_what_does_not_end_is_given_up_and_stays_unfinished() -> None:
    given_up = asyncio.Event()

    async def hang(_: Connections) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        return "OK"

    measurements = measured()
    await fire(
        [shot(0, hang)],
        connections=Connections(),
        measurements=measurements,
        patience_seconds=0.1,
    )

    assert given_up.is_set()
    assert measurements.in_flight == 1


async def test_a_mistake_in_a_shot_ends_everything_with_it() -> None:
    async def fail(_: Connections) -> str:
        message = "a mistake"
        raise RuntimeError(message)

    shots = [shot(0, fail), shot(3600 * SECOND, ok)]
    with pytest.raises(RuntimeError, match="a mistake"):
        await fire(shots, connections=Connections(), measurements=measured())


async def test_the_garbage_collector_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    await fire([shot(0, ok)], connections=Connections(), measurements=measured())

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


async def test_a_caller_stays_on_a_connection_and_a_ramp_opens_them_one_by_one() -> None:
    now = 0.0
    route = Route("127.0.0.1:1")
    async with Connections(
        count=4, is_plain=True, ramp_seconds=8.0, clock=lambda: now
    ) as connections:
        first = [connections.channel(route, place) for place in range(3)]
        now = 4.0
        half = [connections.channel(route, place) for place in range(8, 12)]
        now = 100.0
        whole = [connections.channel(route, place) for place in range(100, 108)]

        assert first == [first[0]] * 3
        assert len(set(half)) == 2
        assert len(set(whole)) == 4
        assert connections.channel(route, 2) is first[0]
