"""Streams that are open: looked at again and again, whether their callers may still call.

A stream without news must not outlive its caller's right either. One task looks at all of them: a
task and a timer for each would hold 8 KB of memory, and ten thousand of those that wait would take
a third of a core (measured).
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from tallymark_server.domain.commands import Caller

__all__ = ["RECHECK_SECONDS", "OpenStream", "OpenStreams"]

RECHECK_SECONDS: Final = 2.0
"""How often an open stream's caller is looked up again; a revocation ends it within 5 seconds."""

LOOKS_AT_ONCE: Final = 100
"""Streams that are looked at before others have their turn: some 0.5 ms."""


class OpenStream:
    """A stream while it is open: a context of the task that serves it."""

    __slots__ = ("_error", "_streams", "_task", "identify", "is_sending")

    def __init__(self, streams: "OpenStreams", identify: Callable[[], Awaitable[Caller]]) -> None:
        """Take among whom it is, and what finds its caller or raises why it may not call."""
        self.identify = identify
        self.is_sending = False
        """Whether gRPC has something in hand for it, in which it must not be disturbed."""

        self._streams = streams
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        """Be looked at from now on."""
        self._task = asyncio.current_task()
        self._streams.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Be looked at no more.

        Raises:
            Exception: why the stream was ended, if that is what the task was cancelled for.

        """
        self._streams.remove(self)
        if self._error is not None and isinstance(error, asyncio.CancelledError):
            assert self._task is not None, "it was entered"
            self._task.uncancel()
            raise self._error from None

    def end(self, error: Exception) -> None:
        """End the wait for news with this error; what is being sent ends at the next look."""
        if not self.is_sending:
            assert self._task is not None, "it was entered"
            self._error = error
            self._task.cancel()


class OpenStreams:
    """All streams of a listener, and the task that looks at them while there are any."""

    def __init__(self) -> None:
        """Start with none."""
        self._streams: set[OpenStream] = set()
        self._looking: asyncio.Task[None] | None = None

    def add(self, stream: OpenStream) -> None:
        """Look at a stream, too."""
        self._streams.add(stream)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def remove(self, stream: OpenStream) -> None:
        """Look at it no more."""
        self._streams.discard(stream)
        if not self._streams and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            for number, stream in enumerate(list(self._streams)):
                if number % LOOKS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                try:
                    await stream.identify()
                except Exception as error:  # noqa: BLE001 -- whatever it is, the stream ends with it
                    if stream in self._streams:
                        stream.end(error)
