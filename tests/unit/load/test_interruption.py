"""Ctrl-C ends a run, and what was measured stays."""

import os
import signal

from tallymark_load.interruption import until_interrupted
from tallymark_load.results import Measurements, StopWhen
from tests.world.clock import until


async def test_ctrl_c_stops_the_run_and_is_no_failure() -> None:
    measurements = Measurements(started_ns=0, started_at_ns=0)

    with until_interrupted(StopWhen()) as stopping:
        before = stopping.check(measurements, 1)
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda: stopping.is_interrupted)
        after = stopping.check(measurements, 1)

    assert before is None
    assert after is not None
    assert not after.is_failure


async def test_the_conditions_of_the_run_still_count() -> None:
    measurements = Measurements(started_ns=0, started_at_ns=0)

    with until_interrupted(StopWhen(["duration>1s"])) as stopping:
        stop = stopping.check(measurements, 2_000_000_000)

    assert stop is not None
    assert stop.condition == "duration>1s"
