"""What goes wrong on the way, by chance: how often, how long, and between whom."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

__all__ = ["CALM", "Weather", "stormy"]


STORED_SECONDS_MAX: Final = 200.0
"""How late a request that was kept may arrive: after the last deadline of whoever sent it."""


@dataclass(kw_only=True, slots=True)
class Weather:
    """Chances of the faults of a network, each from 0 to 1, and delays in seconds."""

    request_lost: float = 0.0
    reply_lost: float = 0.0
    duplicated: float = 0.0
    refused: float = 0.0
    """A broken connection is noticed at once: UNAVAILABLE, and nothing arrived."""

    stored: float = 0.0
    """A request is kept on its way, and handed on much later; for methods that are told of."""

    held: dict[tuple[str, str], float] = field(default_factory=dict)
    """Callers and methods whose requests are all kept until a time of the loop's clock."""

    slow: float = 0.0
    delay_seconds_max: float = 0.02
    slow_seconds_max: float = 4.0
    store_seconds_max: float = 0.01
    """How long the store's thread may take before and after its work."""

    cut: set[frozenset[str]] = field(default_factory=set)
    """Pairs of machines that do not reach each other."""

    deaf: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of which the first reaches the second, but no answer comes back."""

    def held_seconds(self, caller: str, method: str, now: float) -> float:
        """Return how long a request is held from now on; 0 if it is not."""
        return max(0.0, self.held.get((caller, method), 0.0) - now)

    def is_cut(self, one: str, other: str) -> bool:
        """Whether nothing passes between two machines."""
        return frozenset((one, other)) in self.cut

    def is_deaf(self, caller: str, host: str) -> bool:
        """Whether no answer gets back to a caller."""
        return (caller, host) in self.deaf or self.is_cut(caller, host)

    def delay(self, chance: Random) -> float:
        """Return how long a message takes."""
        if self.slow and chance.random() < self.slow:
            return chance.uniform(self.delay_seconds_max, self.slow_seconds_max)
        return chance.uniform(0.0002, self.delay_seconds_max)


CALM = Weather()


def stormy(chance: Random) -> Weather:
    """Return the weather of one run: some runs have much of one fault, some a little of all."""

    def often(most: float) -> float:
        return most * chance.random() ** 2 if chance.random() < 0.7 else 0.0

    return Weather(
        request_lost=often(0.3),
        reply_lost=often(0.4),
        duplicated=often(0.5),
        refused=often(0.2),
        slow=often(0.3),
        stored=chance.choice((0.0, 0.0, 0.0, 0.3, 0.9)),
        store_seconds_max=chance.choice((0.0005, 0.01, 0.1)),
    )
