"""Rounds in which contestants take turns, so that what a machine does beside them meets all alike.

Absolute figures of one machine say little on another one; what is compared is the ratio of two
contestants in the same round.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bench.compare import Ratio, ratio_of

__all__ = ["Contestant", "Rounds", "Taken", "play_rounds"]


class Taken(NamedTuple):
    """What one contestant took in one round."""

    per_second: float
    """Items: admissions, sales, scans, or whatever it counts."""

    processor_microseconds: float
    """Processor time of the server for an item, all threads."""

    load_share: float = 0.0
    """Processor time of the caller for each second; near 1 the caller was the limit."""

    milliseconds: Sequence[float] = ()
    """How long each item took."""


class Contestant(Protocol):
    """What is measured."""

    async def play(self) -> Mapping[str, Taken]:
        """Play a round; what it took, by name, may be of several things done in passing."""


class Rounds:
    """What all rounds took."""

    def __init__(self, played: Sequence[Mapping[str, Taken]]) -> None:
        """Take a mapping for each round."""
        self._played = played

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self._played)

    def of(self, name: str) -> list[Taken]:
        """Return what a contestant took, round by round."""
        return [taken[name] for taken in self._played]

    def median(self, name: str, field: str) -> float:
        """Return the median of a field of `Taken`."""
        return float(statistics.median(getattr(taken, field) for taken in self.of(name)))

    def ratio(self, one: str, other: str, field: str) -> Ratio:
        """Return how many times as much of a field the one had in a round as the other."""
        return ratio_of(
            [getattr(taken[one], field) / getattr(taken[other], field) for taken in self._played]
        )


async def play_rounds(contestants: Sequence[Contestant], count: int) -> Rounds:
    """Play so many rounds, after one that warms up; each begins with another contestant."""
    played: list[dict[str, Taken]] = []
    for number in range(count + 1):
        first = number % len(contestants)
        taken: dict[str, Taken] = {}
        for contestant in (*contestants[first:], *contestants[:first]):
            taken.update(await contestant.play())
        played.append(taken)
        if sys.stderr.isatty():
            print(f"\rround {number} of {count}", end="\n" * (number == count), file=sys.stderr)
    return Rounds(played[1:])
