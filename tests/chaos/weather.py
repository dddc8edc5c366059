"""Trouble on the lines, at random but repeatable: which line, which trouble, how long."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from random import Random
from typing import Final

from tests.chaos.proxy import BlackHole, Cut, Delay, DropReplies, Fault, FaultProxy, Reset

__all__ = ["GUSTS", "blow"]

GUSTS: Final = 4
"""Lines that are in trouble at the same time."""

_LASTS_SECONDS: Final = (0.05, 1.5)
_PAUSE_SECONDS: Final = (0.0, 0.3)
_DELAY_SECONDS: Final = (0.01, 0.5)
_CUT_BYTES: Final = (1, 2_000)
"""From the first byte of a handshake to well within the calls."""


async def blow(lines: Sequence[FaultProxy], seed: Random, until: asyncio.Event) -> None:
    """Trouble some lines at a time until it is over; then all are well again.

    Each kind of trouble has its turn, so that a short run sees all of them.
    """
    faults = (make(seed) for make in cycle(_FAULTS))
    try:
        await asyncio.gather(*(_gust(lines, faults, seed, until) for _ in range(GUSTS)))
    finally:
        for line in lines:
            line.heal()


_FAULTS: Final[Sequence[Callable[[Random], Fault]]] = (
    lambda _: DropReplies(),
    lambda seed: Cut(after_bytes=seed.randint(*_CUT_BYTES)),
    lambda _: BlackHole(),
    lambda seed: Delay(seed.uniform(*_DELAY_SECONDS)),
    lambda _: Reset(),
)


async def _gust(
    lines: Sequence[FaultProxy], faults: Iterator[Fault], seed: Random, until: asyncio.Event
) -> None:
    while not until.is_set():
        line = seed.choice(lines)
        if line.fault is None:
            line.strike(next(faults))
            await _wait(until, seed.uniform(*_LASTS_SECONDS))
            line.heal()
        await _wait(until, seed.uniform(*_PAUSE_SECONDS))


async def _wait(until: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return
