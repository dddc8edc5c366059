"""How long nobody is answered: pauses of Python's garbage collection, and lateness of the loop."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter
from typing import Final

from tallymark_server.watching.histogram import Histogram

__all__ = ["LOOK_SECONDS", "Pauses"]

LOOK_SECONDS: Final = 0.25
"""How often the loop is asked for its lateness; a pause that begins in between is seen in part."""

_PAUSE_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_GENERATIONS: Final = 3


class Pauses:
    """Measures while `watching` lasts."""

    def __init__(self) -> None:
        """Start with none."""
        self.collections = tuple(Histogram(_PAUSE_SECONDS) for _ in range(_GENERATIONS))
        """Seconds of each collection, by generation; nothing else runs meanwhile."""

        self.lateness = Histogram(_PAUSE_SECONDS)
        """Seconds by which the event loop came too late to something that was due."""

        self._began = 0.0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Measure while the context lasts."""
        looking = asyncio.create_task(self._look())
        try:
            with self._told_of_collections():
                yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.lateness.observe(max(0.0, loop.time() - due_at))

    @contextmanager
    def _told_of_collections(self) -> Iterator[None]:
        gc.callbacks.append(self._collected)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collected)

    def _collected(self, phase: str, facts: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = perf_counter()
        else:
            self.collections[facts["generation"]].observe(perf_counter() - self._began)
