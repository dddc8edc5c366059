"""Refusals of strangers take the same time, whatever was looked up for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tallymark_protocol.errors import Refused

__all__ = ["STEADY_SECONDS", "steady_refusal"]

STEADY_SECONDS: Final = 0.025
"""How long a refusal takes; what it needs is about a millisecond.

A row that is there is read some 50 us later than one that is not (measured), and a thousand calls
would show it.
"""


@asynccontextmanager
async def steady_refusal() -> AsyncIterator[None]:
    """Let a refusal go out a fixed time after the call came."""
    loop = asyncio.get_running_loop()
    sent_at = loop.time() + STEADY_SECONDS
    try:
        yield
    except Refused:
        await asyncio.sleep(sent_at - loop.time())
        raise
