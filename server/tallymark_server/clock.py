"""The server's time, the only one that decides anything."""

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Tells the time in milliseconds since 1970."""

    def now(self) -> int:
        """Return the time, never less than any time returned before."""
        ...


class SystemClock:
    """The machine's clock, which never goes back: a step back revives no code."""

    def __init__(self, not_before: int = 0) -> None:
        """Start at the time of the last decision, which a restart must not go behind."""
        self._highest = not_before

    def now(self) -> int:
        """Return the time, never less than any time returned before."""
        self._highest = max(self._highest, time.time_ns() // 1_000_000)
        return self._highest
