"""Runs a server in a thread of its own, for tests of programs that run their own event loop."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Generic, TypeVar

DEADLINE_SECONDS = 20.0
"""Never reached by a test that passes."""

ServerT = TypeVar("ServerT")
T = TypeVar("T")


class Background(Generic[ServerT]):
    """A server that runs, and the way into its event loop."""

    def __init__(self, server: ServerT, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work in the server's loop and return what came of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_SECONDS)


@contextmanager
def in_background(
    serving: AbstractAsyncContextManager[ServerT],
) -> Iterator[Background[ServerT]]:
    """Enter the context in another thread, and leave it there at the end of the block."""
    started: Future[Background[ServerT]] = Future()
    ended = asyncio.Event()

    async def hold() -> None:
        async with serving as server:
            started.set_result(Background(server, asyncio.get_running_loop()))
            await ended.wait()

    def run() -> None:
        try:
            asyncio.run(hold())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="server-in-background")
    thread.start()
    background = started.result(DEADLINE_SECONDS)
    try:
        yield background
    finally:
        background.run(_set(ended))
        thread.join(DEADLINE_SECONDS)


async def _set(event: asyncio.Event) -> None:
    event.set()
