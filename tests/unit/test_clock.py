"""The server's clock."""

import time

from tallymark_server.clock import SystemClock

AN_HOUR = 3_600_000


def test_the_clock_never_goes_behind_the_last_decision_before_a_restart() -> None:
    last_decision = time.time_ns() // 1_000_000 + AN_HOUR

    assert SystemClock(not_before=last_decision).now() == last_decision


def test_the_clock_tells_the_time_of_the_machine() -> None:
    clock = SystemClock()

    before, told, after = time.time_ns(), clock.now(), time.time_ns()

    assert before // 1_000_000 <= told <= after // 1_000_000
