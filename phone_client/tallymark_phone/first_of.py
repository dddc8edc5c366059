"""Wait for whichever comes first."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["first_of"]

First = TypeVar("First")
Second = TypeVar("Second")


async def first_of(
    first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]
) -> First | Second:
    """Return the result of the one that ends first, and cancel the other; of two, the first.

    Raises whatever the one that ends first raises.
    """
    one, other = asyncio.ensure_future(first), asyncio.ensure_future(second)
    is_first = False
    try:
        await asyncio.wait((one, other), return_when=asyncio.FIRST_COMPLETED)
        is_first = one.done()
    finally:
        one.cancel()
        other.cancel()
        await asyncio.gather(one, other, return_exceptions=True)
    return one.result() if is_first else other.result()
