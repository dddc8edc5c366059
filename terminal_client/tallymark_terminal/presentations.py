"""Make one scan of one presentation, though a camera sees it in every frame."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias, TypeVar

from tallymark_terminal.scanner import ScannedCode, ScanRefused

__all__ = ["REPEAT_WINDOW_SECONDS", "RepeatFilter", "Scan", "finish_in_thread"]

Scan: TypeAlias = ScannedCode | ScanRefused
"""What a source gives for one presentation. A refusal is a value and not raised, because the
source goes on: `match` on the class and show the refusal's message."""

REPEAT_WINDOW_SECONDS: Final = 2.0
"""Longer than a hand shakes or a reflection hides the code, shorter than showing it anew."""

Result = TypeVar("Result")


class RepeatFilter:
    """Remembers what is in view: the same scan is new again after it was out of view a while."""

    def __init__(
        self, *, clock: Callable[[], float], window_seconds: float = REPEAT_WINDOW_SECONDS
    ) -> None:
        """Take a clock in seconds that never goes back, such as time.monotonic."""
        self._clock = clock
        self._window_seconds = window_seconds
        self._last_seen: OrderedDict[str, float] = OrderedDict()
        """The one seen longest ago comes first."""

    def is_repeat(self, scan: Scan) -> bool:
        """Note that this scan is in view and tell whether it already was."""
        now = self._clock()
        while self._last_seen and now - next(iter(self._last_seen.values())) > self._window_seconds:
            self._last_seen.popitem(last=False)
        key = scan.text if isinstance(scan, ScannedCode) else type(scan).__name__
        is_repeat = key in self._last_seen
        self._last_seen[key] = now
        self._last_seen.move_to_end(key)
        return is_repeat


async def finish_in_thread(call: Callable[[], Result]) -> Result:
    """Run a short blocking call on a device in a thread and wait for its end even if cancelled.

    A device must not be closed while a thread still reads from it.
    """
    running = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(Exception):
            await running
        raise
