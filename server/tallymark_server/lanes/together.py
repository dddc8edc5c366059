"""Commands that were handed over together, and are answered together."""

import asyncio
from collections.abc import Sequence

from tallymark_protocol.errors import TallymarkError
from tallymark_server.domain.answers import Answer

__all__ = ["Place", "Together"]

Outcome = Answer | TallymarkError


class Together:
    """What became of many commands; whoever waits for all of them is woken once."""

    def __init__(self, count: int) -> None:
        """Start with no outcome; `count` is at least one."""
        self.outcomes: list[Outcome | None] = [None] * count
        self._left = count
        self._all: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def all(self) -> Sequence[Outcome]:
        """Return the outcomes, once the last one is there."""
        await self._all
        return self.outcomes  # type: ignore[return-value]  # none of them is left open

    def put(self, index: int, outcome: Outcome) -> None:
        """Take in what became of one."""
        self.outcomes[index] = outcome
        self._left -= 1
        if not self._left and not self._all.done():
            self._all.set_result(None)


class Place:
    """The place of one command among them: to the lane, what a future is to a single one."""

    __slots__ = ("_index", "_together")

    def __init__(self, together: Together, index: int) -> None:
        """Take where the outcome belongs."""
        self._together = together
        self._index = index

    def done(self) -> bool:
        """Say whether nobody waits for it any more."""
        return self._together.outcomes[self._index] is not None

    def set_result(self, answer: Answer) -> None:
        """Take in the answer."""
        self._together.put(self._index, answer)

    def set_exception(self, error: TallymarkError) -> None:
        """Take in why there is none."""
        self._together.put(self._index, error)
