"""The exit codes of the program."""

from typing import Final

__all__ = ["INTERRUPTED", "REFUSED", "UNKNOWN", "USAGE"]

REFUSED: Final = 1
"""The server refused, some lines of a file are bad, or an audit or reconcile found something."""

USAGE: Final = 2
"""The options or files are wrong, or no operator is set up. The number is click's."""

UNKNOWN: Final = 3
"""The server cannot be reached, or nobody can say what became of the call."""

INTERRUPTED: Final = 130
"""Stopped from the keyboard, as shells have it: 128 + SIGINT."""
