"""What a lane did, for whoever watches."""

from typing import Final

from tallymark_server.watching.histogram import Histogram

__all__ = ["WRITE_SECONDS", "LaneWork"]

_COMMANDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 400)
_ROUNDS: Final = (1, 2, 3, 4, 6, 8, 12, 16)
WRITE_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Deciding one command takes a tenth of a millisecond; a sync to disk one to thirty."""


class LaneWork:
    """Sizes and times of batches since the start."""

    def __init__(self) -> None:
        """Start with none."""
        self.commands = Histogram(_COMMANDS)
        self.rounds = Histogram(_ROUNDS)
        """Times that the rules were asked, one more than the store was asked for rows."""

        self.decide_seconds = Histogram(WRITE_SECONDS)
        """Deciding with all loading in between."""

        self.save_seconds = Histogram(WRITE_SECONDS)
        """Saving, which ends with the sync to disk."""
