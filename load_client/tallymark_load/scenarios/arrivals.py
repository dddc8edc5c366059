"""When visits begin: a rate that is constant, rises, or goes in steps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Stretch", "due_times", "visits_of"]

_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A time in which the rate changes evenly from one to another; rates are visits a second."""

    seconds: float
    rate: float
    rate_at_end: float

    @property
    def visits(self) -> float:
        """How many visits begin in it."""
        return self.seconds * (self.rate + self.rate_at_end) / 2

    def moment_of(self, count: float) -> float:
        """Return the second at which so many visits have begun, from 0 to `visits`.

        The count rises by t x rate + t^2 x slope / 2, which is solved for t without a difference of
        close numbers.
        """
        slope = (self.rate_at_end - self.rate) / self.seconds
        root = math.sqrt(max(0.0, self.rate**2 + 2 * slope * count))
        return 2 * count / (self.rate + root) if count else 0.0


def visits_of(stretches: tuple[Stretch, ...]) -> int:
    """Return how many visits `due_times` gives."""
    return math.floor(sum(stretch.visits for stretch in stretches) + 1e-9)


def due_times(stretches: tuple[Stretch, ...]) -> Iterator[int]:
    """Yield when each visit is due, in nanoseconds since the start."""
    begun, before, number = 0.0, 0.0, 0
    total = visits_of(stretches)
    for stretch in stretches:
        while number < total and number < begun + stretch.visits - 1e-9:
            at = before + stretch.moment_of(max(0.0, number - begun))
            yield round(at * _NANOSECONDS)
            number += 1
        begun += stretch.visits
        before += stretch.seconds
