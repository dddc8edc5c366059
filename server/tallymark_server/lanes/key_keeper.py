"""Finishes what the rotation of a key leaves to do, while the server serves.

A signing key whose codes have ended is removed. Cells under a replaced key are sealed anew, a few
at a time with a pause after each step, and then the key is destroyed. A key that has sealed too
many cells is replaced. Whatever a stop or a crash leaves open is taken up at the next start.
"""

import asyncio
import logging
from typing import Final

from tallymark_server.clock import Clock
from tallymark_server.keyring import Keyring
from tallymark_server.keys.cells import CellRefused
from tallymark_server.storage.store import Store

__all__ = ["CELLS_A_STEP", "KeyKeeper"]

LOOK_SECONDS: Final = 600.0
"""How often it looks by itself. A signing key that has ended is refused in any case."""

CELLS_A_STEP: Final = 200
"""Some 5 ms of the store's time, 20 ms at most (measured), for which a payment may have to wait."""

PAUSE_SECONDS: Final = 0.01
"""Left to others after each step."""

_log = logging.getLogger(__name__)


class KeyKeeper:
    """`run` it in a task; `notice` when a key was replaced."""

    def __init__(self, *, store: Store, clock: Clock, keyring: Keyring) -> None:
        """Take the parts it works with."""
        self._store = store
        self._clock = clock
        self._signing = keyring.signing
        self._cells = keyring.cells
        self._noticed = asyncio.Event()
        self._looking = asyncio.Lock()
        self._is_stopping = False

    def notice(self) -> None:
        """Look at once, because a key was replaced."""
        self._noticed.set()

    def stop(self) -> None:
        """Let `run` end after the step that it is at."""
        self._is_stopping = True
        self._noticed.set()

    async def run(self) -> None:
        """Look after the keys until stopped.

        Raises:
            StoreFailed: the store failed.

        """
        while not self._is_stopping:
            self._noticed.clear()
            await self.look()
            try:
                await asyncio.wait_for(self._noticed.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Do what there is to do now. What cannot be done is told in the log and tried again.

        Raises:
            StoreFailed: the store failed.

        """
        async with self._looking:
            try:
                await self._look()
            except (OSError, CellRefused) as error:
                _log.error("replaced keys are kept for now: %s", error)

    async def _look(self) -> None:
        now = self._clock.now()
        await asyncio.to_thread(self._signing.drop_ended, now)
        if self._cells.is_worn:
            _log.warning("cells key %d has sealed enough", self._cells.current_id)
            await asyncio.to_thread(self._cells.rotate, now)
        if self._cells.oldest_id < self._cells.current_id:
            await self._reseal()

    async def _reseal(self) -> None:
        _log.info("sealing anew what older keys than cells key %d seal", self._cells.current_id)
        while await self._store.reseal(CELLS_A_STEP):
            if self._is_stopping:
                return
            await asyncio.sleep(PAUSE_SECONDS)
        _log.info("everything is sealed with cells key %d", self._cells.current_id)
