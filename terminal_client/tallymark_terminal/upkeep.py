"""What a terminal sees to while it runs, so that no customer waits for it.

Keys and the server's time are read before they are old, the certificate is renewed, and the
checkpoints that were heard are written down.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NoReturn

from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.checkpoint_book import CheckpointBook
from tallymark_terminal.code_check import KEYS_AGE_SECONDS_MAX, CodeCheck
from tallymark_terminal.renewing import Renewal

__all__ = ["UPKEEP_EVERY_SECONDS", "Upkeep"]

UPKEEP_EVERY_SECONDS: Final = 30.0
"""Often enough for certificates that live a few minutes, as in tests of rotation."""

_KEYS_AGE_SECONDS: Final = KEYS_AGE_SECONDS_MAX - 2 * UPKEEP_EVERY_SECONDS
"""So that a scan finds them younger than it needs them."""


class Upkeep:
    """The chores of one running terminal."""

    def __init__(
        self,
        *,
        check: CodeCheck,
        renewal: Renewal,
        checkpoints: CheckpointBook,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Take what needs looking after, and how to wait."""
        self._check = check
        self._renewal = renewal
        self._checkpoints = checkpoints
        self._sleep = sleep

    async def start(self) -> None:
        """Read keys and the server's time, and do what is due.

        Raises:
            TallymarkError: the server does not answer, or does not accept this terminal.

        """
        await self._check.keys(age_seconds_max=0)
        await self._renewal.renew_if_due()

    @contextlib.asynccontextmanager
    async def in_background(self) -> AsyncIterator[None]:
        """Do what is due every now and then, as long as the context lasts."""
        chores = asyncio.create_task(self._run())
        try:
            yield
        finally:
            chores.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await chores

    async def look_after(self) -> None:
        """Do once what is due."""
        # Without keys there is nothing to say yet: the next scan says that the server is away.
        with contextlib.suppress(TallymarkError):
            await self._check.keys(age_seconds_max=_KEYS_AGE_SECONDS)
        await self._renewal.renew_if_due()
        await self._checkpoints.save()

    async def _run(self) -> NoReturn:
        while True:
            await self._sleep(UPKEEP_EVERY_SECONDS)
            await self.look_after()
