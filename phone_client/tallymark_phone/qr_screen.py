"""The code on the screen: counts down, asks for the next code in time, and swaps the picture.

The next picture takes the place of the old one only when it has arrived. When asking fails, the old
one stays until its own end, and the screen says so. A dead picture is never shown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from tallymark_phone.clock import Clock
from tallymark_phone.plain_words import explain_failure
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.registrations import Code
from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome

__all__ = ["CodeRenewal", "Frame", "QrScreen"]

TICK_SECONDS: Final = 0.2
"""How often the screen is looked at; it is drawn only when something changed."""

ASK_AGAIN_SECONDS: Final = 2.0
"""Pause after a failure, on top of the repeats that the connection makes itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What the customer sees in one moment."""

    picture: QrPicture | None
    """None while there is no code that is good."""

    seconds_left: int = 0
    bound_to: str = ""
    """Merchant and terminal that alone may use the code; empty: any."""

    trouble: str = ""
    """Why there is no newer code; empty when all is well."""


class CodeRenewal:
    """Which picture to show, and when to ask for the next: rules only, no clock and no calls.

    Times are seconds by the phone's clock. A code lives from the moment of **asking** for it, which
    is earlier than the server's: so the phone may stop showing it too early, never too late.
    """

    def __init__(self) -> None:
        """Start with nothing to show."""
        self._picture: QrPicture | None = None
        self._bound_to = ""
        self._dies_at = -inf
        self._ask_at = -inf
        self._trouble = ""
        self.refusal: Refused | None = None
        """Set when asking again is of no use."""

    def is_due(self, now_seconds: float) -> bool:
        """Return whether it is time to ask for a code."""
        return self.refusal is None and now_seconds >= self._ask_at

    def is_over(self, now_seconds: float) -> bool:
        """Return whether nothing more can be shown."""
        return self.refusal is not None and now_seconds >= self._dies_at

    def arrived(self, code: Code, *, asked_at_seconds: float, now_seconds: float) -> None:
        """Take the next code."""
        dies_at = asked_at_seconds + code.life_seconds
        if dies_at <= max(now_seconds, self._dies_at):
            # It took so long that the one on the screen is no worse.
            self._ask_at = now_seconds + ASK_AGAIN_SECONDS
            return
        self._picture = QrPicture(code.text)
        self._bound_to = code.bound_to
        self._dies_at = dies_at
        self._ask_at = asked_at_seconds + code.next_after_seconds
        self._trouble = ""

    def failed(self, error: TallymarkError, *, now_seconds: float) -> None:
        """Take note that there is no next code yet, or that there will be none."""
        self._trouble = explain_failure(error).partition("\n")[0]
        self._ask_at = now_seconds + ASK_AGAIN_SECONDS
        if isinstance(error, Refused):
            self.refusal = error

    def frame(self, now_seconds: float) -> Frame:
        """Return what to show."""
        seconds_left = self._dies_at - now_seconds
        if seconds_left <= 0:
            return Frame(picture=None, trouble=self._trouble)
        return Frame(
            picture=self._picture,
            seconds_left=ceil(seconds_left),
            bound_to=self._bound_to,
            trouble=self._trouble,
        )


class QrScreen:
    """Shows codes until it is cancelled."""

    def __init__(
        self,
        *,
        issue: Callable[[], Awaitable[Code]],
        draw: Callable[[Frame], None],
        clock: Clock,
    ) -> None:
        """Take what gets a code, what draws a frame, and the time."""
        self._issue = issue
        self._draw = draw
        self._clock = clock
        self._renewal = CodeRenewal()

    async def run(self) -> None:
        """Show codes, one after the other.

        Raises:
            Refused: the server gives no more codes, and the last one has come to its end.

        """
        async with asyncio.TaskGroup() as asking:
            await self._show(asking)
        if self._renewal.refusal:
            raise self._renewal.refusal

    async def _show(self, asking: asyncio.TaskGroup) -> None:
        request: asyncio.Task[None] | None = None
        drawn: Frame | None = None
        while not self._renewal.is_over(now := self._clock.now_seconds()):
            if (request is None or request.done()) and self._renewal.is_due(now):
                request = asking.create_task(self._ask())
            frame = self._renewal.frame(now)
            if frame != drawn:
                self._draw(frame)
                drawn = frame
            await self._clock.sleep(TICK_SECONDS)

    async def _ask(self) -> None:
        asked_at = self._clock.now_seconds()
        try:
            code = await self._issue()
        except (Refused, UnknownOutcome) as error:
            self._renewal.failed(error, now_seconds=self._clock.now_seconds())
        else:
            self._renewal.arrived(
                code, asked_at_seconds=asked_at, now_seconds=self._clock.now_seconds()
            )
