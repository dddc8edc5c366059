"""What came of one call of a replay."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import grpc

from tallymark_load.replay.correlation import Key
from tallymark_load.replay.plan import PlannedCall

__all__ = ["NOT_SENT", "Played"]

NOT_SENT: Final = "NOT_SENT"
"""Outcome of a call that needed a value which no answer of this replay gave."""


@dataclass(slots=True, eq=False)
class Played:
    """A call as it went this time."""

    planned: PlannedCall
    outcome: str = ""
    bodies: list[bytes] = field(default_factory=list)
    missing: list[Key] = field(default_factory=list)
    """Values that it needed, and that were told in the recording but not this time."""

    unknown: list[Key] = field(default_factory=list)
    """Values that nobody told in the recording either; they were sent as they were recorded."""

    polls: int = 0
    """How often a reading call was repeated until it said what was recorded."""

    stream: "grpc.aio.StreamStreamCall[bytes, bytes] | None" = None
    answered: set[object] = field(default_factory=set)
    """Keys of the answers that came, on a stream whose messages hold several."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced, whenever an answer comes, and at the end."""

    def tell(self) -> None:
        """Wake up who waits for an answer."""
        self.news.set()
        self.news = asyncio.Event()

    @property
    def is_expected(self) -> bool:
        """Whether it ended as it was recorded."""
        return self.outcome == self.planned.outcome
