"""When what was recorded is due in its replay."""

import math
from dataclasses import dataclass
from typing import Self

__all__ = ["Pace"]

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast recorded time passes; `speed` None is flat out: nothing is ever waited for.

    During the ramp the speed rises evenly from nothing to the full one.
    """

    speed: float | None = 1.0
    ramp_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a time that stands still.

        Raises:
            ValueError: the speed is not above zero, or the ramp is negative or not a number.

        """
        if self.speed is not None and not 0 < self.speed < math.inf:
            message = "the speed is a number above zero"
            raise ValueError(message)
        if not 0 <= self.ramp_seconds < math.inf:
            message = "the ramp takes zero seconds or more"
            raise ValueError(message)

    @classmethod
    def flat_out(cls) -> Self:
        """Return the pace of what is only limited by its own order."""
        return cls(speed=None)

    @property
    def is_faster(self) -> bool:
        """Whether less time passes between messages than was recorded."""
        return self.speed is None or self.speed > 1

    def due_ns(self, recorded_ns: int) -> int | None:
        """Return when a recorded moment is due, both since the start; None: as soon as it can be.

        While the speed rises, the square of the time is what passes: t = sqrt(2 r R / s) for a
        recorded time r, the ramp R and the speed s, until r = s R / 2.
        """
        if self.speed is None:
            return None
        ramp = self.ramp_seconds * _NANOSECONDS
        if recorded_ns < self.speed * ramp / 2:
            return round(math.sqrt(2 * recorded_ns * ramp / self.speed))
        return round(recorded_ns / self.speed + ramp / 2)
