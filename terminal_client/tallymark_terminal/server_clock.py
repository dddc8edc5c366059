"""The server's time as the terminal knows it; its own clock is never asked what time it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["ServerClock", "ServerTime"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerTime:
    """One reading of the server's clock, and how far it may be off."""

    server_seconds: float
    """Seconds since 1970 by the server, at the middle of the round trip."""

    steady_seconds: float
    """The terminal's steady clock at that moment."""

    uncertainty_seconds: float
    """Half of the round trip: the server may have looked at any moment of it."""


class ServerClock:
    """Counts on from the last reading with a steady clock, which nobody can set."""

    def __init__(self, *, steady: Callable[[], float]) -> None:
        """Take a clock in seconds that never goes back, such as time.monotonic."""
        self.steady = steady
        self._reading: ServerTime | None = None

    @property
    def is_set(self) -> bool:
        """Whether the server's time was read."""
        return self._reading is not None

    def set(self, reading: ServerTime) -> None:
        """Take a newer reading."""
        self._reading = reading

    def at_seconds(self, steady_seconds: float) -> float:
        """Return the server's time at a moment of the steady clock, as `now_seconds` does."""
        if self._reading is None:
            message = "the server's time was not read yet"
            raise RuntimeError(message)
        return self._reading.server_seconds + steady_seconds - self._reading.steady_seconds

    def now_seconds(self) -> float:
        """Return the server's time; raises RuntimeError before the first reading."""
        return self.at_seconds(self.steady())

    def now_at_least_seconds(self) -> float:
        """Return the earliest time that it can be, so that nothing is refused too soon."""
        now = self.now_seconds()
        return now - self._reading.uncertainty_seconds if self._reading else now

    def now(self) -> datetime:
        """Return the server's time as a date."""
        return datetime.fromtimestamp(self.now_seconds(), tz=UTC)
