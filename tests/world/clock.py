"""The server's time in tests."""

import asyncio
from collections.abc import Callable

__all__ = ["START", "MovedClock"]

START = 1_800_000_000_000
"""Milliseconds since 1970 at which every test begins."""


class MovedClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.milliseconds = START

    def now(self) -> int:
        return self.milliseconds

    def move(self, *, seconds: float) -> None:
        self.milliseconds += round(seconds * 1000)


async def until(condition: Callable[[], object], *, turns: int = 2_000) -> None:
    """Let everything else run until the condition holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0.001)
    message = "what the test waits for never happened"
    raise AssertionError(message)
