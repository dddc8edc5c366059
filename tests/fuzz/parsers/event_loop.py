"""One event loop for all inputs, on which what would go to a thread runs at once.

Making a loop and changing threads takes longer than most parsers take to read an input.
"""

import asyncio
import atexit
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

__all__ = ["run"]

_Result = TypeVar("_Result")


class _AtOnce(ThreadPoolExecutor):
    """Runs each call in the thread that asks for it."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 -- whoever awaits it shall have it
            done.set_exception(error)
        return done


def run(reading: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what a coroutine returns, or raise what it raises."""
    return _runner().run(reading)


@cache
def _runner() -> asyncio.Runner:
    runner = asyncio.Runner()
    runner.get_loop().set_default_executor(_AtOnce())
    atexit.register(runner.close)
    return runner
