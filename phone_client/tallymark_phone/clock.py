"""Time for countdowns and dates, passed in so that tests own it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "PhoneClock", "wall_time"]


class Clock(Protocol):
    """Counts seconds from some moment on."""

    def now_seconds(self) -> float:
        """Return the seconds so far; they never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class PhoneClock:
    """The clock of this computer, which nobody can set, and which goes on while it is asleep.

    Without the second a picture would come out of the pocket as good as it went in.
    """

    def now_seconds(self) -> float:
        """Return the seconds since the computer was started."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def wall_time() -> datetime:
    """Return the date and time that this computer believes in: for notes, not for deciding."""
    return datetime.now(UTC)
