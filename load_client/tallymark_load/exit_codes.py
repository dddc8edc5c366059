"""The exit codes of the program."""

from typing import Final

__all__ = ["FAILED", "INTERRUPTED", "UNKNOWN", "USAGE"]

FAILED: Final = 1
"""The server refused, calls ended otherwise than they should, or a condition stopped the run."""

USAGE: Final = 2
"""The options or files are wrong. The number is click's."""

UNKNOWN: Final = 3
"""The server cannot be reached, or nobody can say what became of a call."""

INTERRUPTED: Final = 130
"""Stopped from the keyboard, as shells have it: 128 + SIGINT."""
