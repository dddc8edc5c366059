"""The server's clock: it goes on, never back, and stops when somebody moves the machine's."""

import time

import pytest

from tallymark_server.clock import STEP_SECONDS_MAX, ClockStepped, SystemClock
from tests.world.clock import START

AN_HOUR = 3_600_000
SECOND = 1_000_000_000


class Machine:
    """A machine's clock that can be set, and its steady one, which nobody can set."""

    def __init__(self) -> None:
        self.nanoseconds = START * 1_000_000
        self.steady_nanoseconds = 77 * SECOND

    def machine(self) -> int:
        return self.nanoseconds

    def steady(self) -> int:
        return self.steady_nanoseconds

    def clock(self, not_before: int = 0) -> SystemClock:
        return SystemClock(not_before, machine=self.machine, steady=self.steady)

    def wait(self, seconds: float, *, fast_by: float = 0.0) -> None:
        """Let time pass, which the machine's clock tells wrongly by so much."""
        self.steady_nanoseconds += round(seconds * SECOND)
        self.nanoseconds += round((seconds + fast_by) * SECOND)


def test_the_clock_never_goes_behind_the_last_decision_before_a_restart() -> None:
    assert Machine().clock(not_before=START + AN_HOUR).now() == START + AN_HOUR


def test_a_machine_behind_the_last_decision_does_not_hold_time_up() -> None:
    """Time stood still until the machine had caught up: for an hour no code expired."""
    machine = Machine()
    clock = machine.clock(not_before=START + AN_HOUR)

    machine.wait(61)

    assert clock.now() == START + AN_HOUR + 61_000


def test_the_clock_tells_the_time_of_the_machine() -> None:
    clock = SystemClock()

    before, told, after = time.time_ns(), clock.now(), time.time_ns()

    assert before // 1_000_000 <= told <= after // 1_000_000


@pytest.mark.parametrize("step_seconds", [5.001, 61, 86_400, -5.001, -61, -86_400])
def test_a_clock_that_was_moved_tells_no_time_any_more(step_seconds: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wait(0.5, fast_by=step_seconds)

    for _ in range(2):  # not even when it is set right again
        with pytest.raises(ClockStepped) as stopped:
            clock.now()
        assert stopped.value.step_seconds == pytest.approx(step_seconds)
        machine.wait(0, fast_by=-step_seconds)


@pytest.mark.parametrize("step_seconds", [STEP_SECONDS_MAX, 1, -1, -STEP_SECONDS_MAX])
def test_a_small_step_is_ridden_out_and_never_goes_back(step_seconds: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wait(0, fast_by=step_seconds)

    assert clock.now() == START + max(0, round(step_seconds * 1_000))


def test_slewing_adds_up_to_no_step() -> None:
    """NTP moves a clock by 500 millionths: 43 seconds in a day, half a millisecond in a second."""
    machine = Machine()
    clock = machine.clock()
    for _ in range(86_400):
        machine.wait(1, fast_by=0.0005)
        told = clock.now()

    assert told == START + 86_400_000 + 43_200


def test_a_machine_that_slept_was_not_moved() -> None:
    machine = Machine()
    clock = machine.clock()

    machine.wait(8 * 3_600)

    assert clock.now() == START + 8 * AN_HOUR


def test_a_process_that_is_held_up_while_it_looks_sees_no_step() -> None:
    machine = Machine()
    held_up_seconds = iter((0.0, 3_600.0, 0.0))

    def machine_now() -> int:
        told = machine.nanoseconds
        machine.wait(next(held_up_seconds))
        return told

    clock = SystemClock(machine=machine_now, steady=machine.steady)

    assert clock.now() == START
    assert clock.now() == START + AN_HOUR
