"""New request ids: UUIDs of version 7 (RFC 9562), which begin with the time."""

import uuid
from collections.abc import Callable
from typing import Final

__all__ = ["RequestIds"]

_VERSION: Final = 7
_VARIANT: Final = 0b10


class RequestIds:
    """Makes ids from a clock and randomness that are given, so that tests own both."""

    def __init__(
        self, *, wall_clock: Callable[[], float], random_bits: Callable[[int], int]
    ) -> None:
        """Take a clock in seconds since 1970 and a source like secrets.randbits.

        The time in an id orders a server's storage and decides nothing, so the terminal's own
        clock will do.
        """
        self._wall_clock = wall_clock
        self._random_bits = random_bits

    def new(self) -> str:
        """Return an id that nobody had before."""
        milliseconds = int(self._wall_clock() * 1000) & ((1 << 48) - 1)
        value = milliseconds << 80 | _VERSION << 76 | self._random_bits(12) << 64
        value |= _VARIANT << 62 | self._random_bits(62)
        return str(uuid.UUID(int=value))
