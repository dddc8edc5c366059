"""Turns: of all that is waiting so much is at work as keeps the server busy, first come first."""

import asyncio
from collections import deque

__all__ = ["Turns"]


class Turns:
    """A number of places. Whoever waits for some waits at most once round: nobody overtakes."""

    def __init__(self, places: int) -> None:
        """Start with all of them free."""
        self._free = places
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, count: int) -> None:
        """Take so many places, at most all; give them back in the end."""
        if not self._waiting and count <= self._free:
            self._free -= count
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had come at the same moment
                self.give(count)
            raise

    def give(self, count: int) -> None:
        """Give back so many places, and let those in who have waited longest."""
        self._free += count
        while self._waiting:
            count, turn = self._waiting[0]
            if not turn.done():
                if count > self._free:
                    return
                self._free -= count
                turn.set_result(None)
            self._waiting.popleft()
