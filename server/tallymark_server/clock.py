"""The server's time, the only one that decides anything.

It is the machine's clock, held against a second one that nobody sets. When the two part by more
than a bound within a moment, somebody moved the machine's clock. Nobody knows then which of the two
times codes, tickets and deadlines were meant for, so the server stops instead of riding it out.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason

__all__ = ["STEADY", "STEP_SECONDS_MAX", "Clock", "ClockStepped", "SystemClock"]

STEP_SECONDS_MAX: Final = 5.0
"""How far the machine's clock may move by itself between two looks.

ntpd and chrony slew by 0.5 ms (chrony at most 100 ms) a second and step only what is further off;
the server looks at least once a second. A code lives for 60 seconds, and may lose a twelfth.
"""

RETRY_AFTER_SECONDS: Final = 1.0
"""When a caller may come back to the server that was started again."""

_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

STEADY: Final[Callable[[], int]] = (
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    if sys.platform == "linux"
    else time.monotonic_ns
)
"""Nanoseconds of a clock that nobody sets.

On Linux it goes on while the machine sleeps, as the machine's clock does.
"""


class Clock(Protocol):
    """Tells the time in milliseconds since 1970."""

    def now(self) -> int:
        """Return the time, never less than any time returned before."""
        ...


class ClockStepped(NotDone):
    """The machine's clock was moved, so nothing more is decided; a restart takes the new time."""

    def __init__(self, step_seconds: float) -> None:
        """Take how far it was moved, in seconds; less than 0 is back."""
        super().__init__(Reason.SHUTTING_DOWN, retry_after_seconds=RETRY_AFTER_SECONDS)
        self.step_seconds = step_seconds


class SystemClock:
    """The machine's clock, which never goes back: a step back revives no code."""

    def __init__(
        self,
        not_before: int = 0,
        *,
        step_seconds_max: float = STEP_SECONDS_MAX,
        machine: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = STEADY,
    ) -> None:
        """Start at the time of the last decision, which a restart must not go behind.

        `machine` and `steady` tell nanoseconds. A machine's clock that is behind the last decision
        is followed at that distance: time goes on, else nothing would ever expire.
        """
        self._machine = machine
        self._steady = steady
        self._step_max = round(step_seconds_max * 1e9)
        before = steady()
        machine_now = machine()
        # How far the machine's clock is ahead of the steady one: somewhere between these two.
        self._at_most = machine_now - before
        self._at_least = machine_now - steady()
        started_at = machine_now // _NANOSECONDS_PER_MILLISECOND
        self._highest = max(started_at, not_before)
        self._distance = self._highest - started_at
        self.step_seconds = 0.0
        """How far the machine's clock was moved, once it was; less than 0 is back."""

    def now(self) -> int:
        """Return the time, never less than any time returned before.

        Raises:
            ClockStepped: the machine's clock was moved beyond the bound, now or before.

        """
        if self.step_seconds:
            raise ClockStepped(self.step_seconds)
        # Both ends are looked at: a process that is held up between two readings is no step.
        before = self._steady()
        machine_now = self._machine()
        at_most, at_least = machine_now - before, machine_now - self._steady()
        ahead, behind = at_least - self._at_most, self._at_least - at_most
        if ahead > self._step_max or behind > self._step_max:
            self.step_seconds = (ahead if ahead > 0 else -behind) / 1e9
            raise ClockStepped(self.step_seconds)
        self._at_most, self._at_least = at_most, at_least
        told = machine_now // _NANOSECONDS_PER_MILLISECOND + self._distance
        self._highest = max(self._highest, told)
        return self._highest
