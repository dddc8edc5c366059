"""What a run tells: a readable trace, and how often each rare state was reached."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable

__all__ = ["TAIL_LINES", "Notes"]

TAIL_LINES = 40
"""Lines of the trace that a violation shows."""


class Notes:
    """Takes the lines of one run. All of them go into its hash, the last ones are kept."""

    def __init__(self, now: Callable[[], float], *, keep_all: bool = False) -> None:
        """Take the virtual clock; `keep_all` keeps the whole trace, for reading."""
        self.reached: Counter[str] = Counter()
        """Rare states, and faults that really took place."""

        self.lines: deque[str] = deque(maxlen=None if keep_all else TAIL_LINES)
        self._now = now
        self._hash = hashlib.sha256()
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    @property
    def trace_hash(self) -> str:
        """The hash of all lines so far: equal for two runs exactly if they were the same."""
        return self._hash.hexdigest()

    def write(self, who: str, what: str) -> None:
        """Add a line."""
        line = f"{self._now():12.6f}  {who:<12} {what}"
        self._hash.update(line.encode())
        self.lines.append(line)

    def reach(self, state: str, who: str = "") -> None:
        """Count a rare state."""
        self.reached[state] += 1
        self.write(who or "simulation", f"* {state}")

    def name(self, kind: str, identifier: str) -> str:
        """Return a short name for an id or code, the same each time: "process 3"."""
        if identifier not in self._names:
            self._counts[kind] += 1
            self._names[identifier] = f"{kind} {self._counts[kind]}"
        return self._names[identifier]
