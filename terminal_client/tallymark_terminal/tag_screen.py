"""The tag on the screen: fetches the next one in time, and swaps the picture when it has arrived.

When there is no answer the old tag stays until its own end, and the screen says so. A dead tag is
never shown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from tallymark_protocol.errors import Refused, TallymarkError
from tallymark_terminal.qr_picture import QrPicture
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.tag import Tag

__all__ = ["TagFrame", "TagScreen"]

TICK_SECONDS: Final = 0.2
"""How often the screen is looked at; it is drawn only when something changed."""

ASK_AGAIN_SECONDS: Final = 2.0
"""Pause after a failure, unless the server asks for more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TagFrame:
    """What customers see in one moment."""

    picture: QrPicture | None
    """None while there is no tag that is good."""

    seconds_left: int = 0
    trouble: str = ""
    """Why there is no newer tag; empty when all is well."""


class TagScreen:
    """Shows tags until it is cancelled. All times are the server's."""

    def __init__(
        self,
        *,
        fetch: Callable[[], Awaitable[Tag]],
        draw: Callable[[TagFrame], None],
        clock: ServerClock,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Take what gets a tag, what draws a frame, the time, and how to wait."""
        self._fetch = fetch
        self._draw = draw
        self._clock = clock
        self._sleep = sleep
        self._picture: QrPicture | None = None
        self._ends_at = -inf
        self._ask_at = -inf
        self._trouble = ""
        self._refusal: Refused | None = None

    async def run(self) -> None:
        """Show tags, one after the other.

        Raises:
            Refused: the server gives no more tags, and the last one has come to its end.

        """
        async with asyncio.TaskGroup() as asking:
            await self._show(asking)
        if self._refusal is not None:
            raise self._refusal

    async def _show(self, asking: asyncio.TaskGroup) -> None:
        request: asyncio.Task[None] | None = None
        drawn: TagFrame | None = None
        while self._refusal is None or self._seconds_left() > 0:
            is_asking = request is not None and not request.done()
            if not is_asking and self._refusal is None and self._clock.now_seconds() > self._ask_at:
                request = asking.create_task(self._ask())
            frame = self._frame()
            if frame != drawn:
                self._draw(frame)
                drawn = frame
            await self._sleep(TICK_SECONDS)

    async def _ask(self) -> None:
        try:
            tag = await self._fetch()
        except TallymarkError as error:
            self._trouble = error.message
            wait_seconds = max(error.retry_after_seconds, ASK_AGAIN_SECONDS)
            self._ask_at = self._clock.now_seconds() + wait_seconds
            if isinstance(error, Refused):
                self._refusal = error
            return
        self._picture = QrPicture(tag.text)
        self._ends_at = tag.expires_at.timestamp()
        self._ask_at = tag.next_at.timestamp()
        self._trouble = ""

    def _frame(self) -> TagFrame:
        seconds_left = ceil(self._seconds_left()) if self._picture else 0
        if seconds_left <= 0:
            return TagFrame(picture=None, trouble=self._trouble)
        return TagFrame(picture=self._picture, seconds_left=seconds_left, trouble=self._trouble)

    def _seconds_left(self) -> float:
        return self._ends_at - self._clock.now_seconds()
