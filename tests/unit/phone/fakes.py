"""A clock that tests turn, and texts like those of real codes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tallymark_phone.registrations import Code
from tests.doubles.customer_facts import code_text

SERVER_TIME = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)


def code(number: int, *, life_seconds: float = 60, next_after_seconds: float = 45) -> Code:
    """Return a code as the server would issue it."""
    return Code(
        text=code_text(number),
        issued_at=SERVER_TIME,
        expires_at=SERVER_TIME + timedelta(seconds=life_seconds),
        next_at=SERVER_TIME + timedelta(seconds=next_after_seconds),
    )


@dataclass
class FakeClock:
    """Goes on only when somebody sleeps; at given times things happen."""

    seconds: float = 1000.0
    stop_at_seconds: float = float("inf")
    at: dict[float, Callable[[], None]] = field(default_factory=dict)

    def now_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for moment in [moment for moment in self.at if moment <= self.seconds]:
            self.at.pop(moment)()
        if self.seconds >= self.stop_at_seconds:
            raise asyncio.CancelledError
        # Let the other tasks do what they can do in this time.
        for _ in range(5):
            await asyncio.sleep(0)
