"""How a call with an unknown outcome is repeated: the same request, a few times, ever slower."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tallymark_protocol.errors import UnknownOutcome

__all__ = ["NEVER", "Repetition"]

NEVER: Final = -1.0
"""`retry_after_seconds` of a failure whose server asks not to be called again (gRFC A6)."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repetition:
    """Bounds of the repetition. The defaults give up after about 3 s of waiting."""

    attempts_max: int = 5
    first_wait_seconds: float = 0.2
    wait_seconds_max: float = 10.0
    """A server that asks for a longer pause is not called again in this run."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    randomness: Callable[[], float] = random.random
    """Numbers from 0 to 1, so that phones do not all come back in the same moment."""

    async def run(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the first answer; a refusal is an answer too, and is raised at once.

        Raises:
            TallymarkError: the refusal, or the last UnknownOutcome.

        """
        for repeats in range(self.attempts_max - 1):
            try:
                return await attempt()
            except UnknownOutcome as unknown:
                wait_seconds = self.wait_seconds(repeats, unknown)
                if wait_seconds is None:
                    raise
            await self.sleep(wait_seconds)
        return await attempt()

    def wait_seconds(self, repeats: int, unknown: UnknownOutcome) -> float | None:
        """Return the pause before the next repeat, or None to give up.

        The server's own wish comes first; else it doubles each time, half of it random.
        """
        asked_for = unknown.retry_after_seconds
        if asked_for < 0 or asked_for > self.wait_seconds_max:
            return None
        if asked_for:
            return asked_for
        longest = min(self.wait_seconds_max, self.first_wait_seconds * 2.0**repeats)
        return longest * (0.5 + 0.5 * self.randomness())
