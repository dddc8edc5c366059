"""What is counted by the day, so that it can be limited."""

from typing import ClassVar, Final

from tallymark_server.domain.state import DirectoryRow
from tallymark_server.domain.value import Value

__all__ = ["DAY_MILLISECONDS", "NumberCodes", "Tally", "TerminalDay", "day_of"]

DAY_MILLISECONDS: Final = 24 * 3600 * 1000


def day_of(time: int) -> int:
    """Return the day of UTC, counted from 1970, that a time belongs to."""
    return time // DAY_MILLISECONDS


class Tally(Value, frozen=True, kw_only=True, omit_defaults=True):
    """How often in a day something was done, and for how much money in all.

    The next day begins in the same place at nothing, so no old days pile up.
    """

    day: int = 0
    count: int = 0
    minor_units: int = 0

    def on(self, day: int) -> "Tally":
        """Return the tally of this day."""
        return self if self.day == day else Tally(day=day)

    def plus(self, count: int, minor_units: int = 0) -> "Tally":
        """Return the tally changed by this much."""
        return Tally(
            day=self.day, count=self.count + count, minor_units=self.minor_units + minor_units
        )


class TerminalDay(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """What a new terminal charged without confirmation on its last day of business."""

    table: ClassVar[str] = "terminal_days"
    key_fields: ClassVar[tuple[str, ...]] = ("terminal_id",)

    terminal_id: str
    tally: Tally


class NumberCodes(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """The verification codes that a telephone number, known by its keyed hash, was last sent."""

    table: ClassVar[str] = "number_codes"
    is_open: ClassVar[bool] = True  # keyed hashes and counts
    key_fields: ClassVar[tuple[str, ...]] = ("number_hash",)

    number_hash: str
    tally: Tally
