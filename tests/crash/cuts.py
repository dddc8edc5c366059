"""Every moment at which the power can go, in a record of what a server wrote.

1. With nothing taken away, the record shows the states through which the database went, one for
   each commit. Each is read and checked once: SQLite's own check, the journal's chain, and whatever
   the caller demands of a whole state.
2. Then the power is cut at every event: first all is taken that was not synced, then some of it is
   left, torn anyhow. What SQLite recovers has to be one of those states, byte for byte, and not an
   earlier one than what somebody had been answered by then.
"""

import hashlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.disk import PART, SEEN, Disk, Event
from tests.crash.found import Found, opened, read_database, scratch

__all__ = ["Cuts", "Demand", "Part", "cut_everywhere"]

Demand = Callable[[Found], Iterable[str]]
"""Says what is not whole in a state."""

_COMMIT_FRAME: Final = 24
"""Bytes of the head of a frame of the log; it names the database's size if the frame commits."""


@dataclass
class Part:
    """What came of the cuts in one part of a record."""

    events: int = 0
    cuts: int = 0
    lost: int = 0
    broken: int = 0


@dataclass
class Cuts:
    """What came of cutting the power."""

    events: int = 0
    states: int = 0
    cuts: int = 0
    torn: int = 0
    """Of the cuts, those that left some of what was not synced."""

    acknowledged: int = 0
    """What had been answered before a cut, summed over all cuts."""

    lost: int = 0
    """Of that, what was not there afterwards."""

    seconds: float = 0.0
    first_lost: int = 0
    """The number of the first cut that lost something; 0 if none did."""

    by_part: dict[str, "Part"] = field(default_factory=dict)
    """The same of each part of a record that has a name."""

    broken: list[str] = field(default_factory=list)
    """Databases that are none of the states, and states that are not whole."""


def cut_everywhere(
    disk: Disk,
    events: Sequence[Event],
    *,
    choice: random.Random,
    torn_per_event: int,
    demand: Demand | None = None,
) -> Cuts:
    """Cut the power at every event of a record, which starts with this disk."""
    began = time.perf_counter()
    history = _History(demand)
    with scratch() as folder:
        history.read(disk.copy(), events, folder)
    cuts = Cuts(len(events), len(history.states), broken=history.broken)
    with scratch() as folder:
        power = _Power(history, folder, cuts, choice)
        power.go_out(disk.copy(), events, torn_per_event=torn_per_event)
    cuts.seconds = round(time.perf_counter() - began, 1)
    return cuts


class _History:
    """The states that a database went through, and which of them first had each request."""

    def __init__(self, demand: Demand | None) -> None:
        self.states: dict[bytes, int] = {}
        self.broken: list[str] = []
        self._demand = demand
        self._first: dict[str, int] = {}
        self._now = 0

    def read(self, disk: Disk, events: Sequence[Event], folder: Path) -> None:
        """Go through the record once, with nothing taken away."""
        is_commit = False
        self._look(disk, folder)
        for event in events:
            disk.do(event)
            if event.name == "sync" or is_commit:
                self._look(disk, folder)
            if event.name == "mark" and SEEN.encode() in event.content:
                self._look(disk, folder)
                seen = (mark for mark in event.marks if mark.startswith(SEEN))
                self._first.update(dict.fromkeys(seen, self._now))
            is_commit = (
                event.name == "write"
                and event.path.endswith("-wal")
                and len(event.content) == _COMMIT_FRAME
                and event.content[4:8] != bytes(4)
            )
        self._look(disk, folder)

    def first_with(self, mark: str) -> int:
        """Return the number of the first state that has a request; a later one than all if none."""
        return self._first.get(mark, len(self.states))

    def _look(self, disk: Disk, folder: Path) -> None:
        with opened(disk.whole(), folder) as connection:
            fingerprint = _fingerprint(connection)
            number = self._now = self.states.get(fingerprint, len(self.states))
            if fingerprint in self.states:
                return
            self.states[fingerprint] = number
            found = read_database(connection)
        self.broken += found.faults
        self.broken += self._demand(found) if self._demand else ()
        for request_id in found.request_ids:
            self._first.setdefault(request_id, number)


class _Power:
    """Goes out again and again, along one record."""

    def __init__(self, history: _History, folder: Path, cuts: Cuts, choice: random.Random) -> None:
        self._history = history
        self._folder = folder
        self._cuts = cuts
        self._choice = choice
        self._marks: list[int] = []
        """Of what was answered so far, the first states that have it."""

        self._part = Part()

    def go_out(self, disk: Disk, events: Sequence[Event], *, torn_per_event: int) -> None:
        """Cut at each event."""
        synced = self._state_of(disk.synced())
        for event in events:
            disk.do(event)
            if event.name == "mark":
                self._note(event.marks)
                continue
            self._part.events += 1
            if event.name == "sync":
                synced = self._state_of(disk.synced())
            self._judge(synced)
            for _ in range(torn_per_event if disk.has_pending else 0):
                self._cuts.torn += 1
                self._judge(self._state_of(disk.torn(self._choice)))

    def _note(self, marks: Iterable[str]) -> None:
        for mark in marks:
            if mark.startswith(PART):
                self._part = self._cuts.by_part.setdefault(mark.removeprefix(PART), Part())
            else:
                self._marks.append(self._history.first_with(mark))

    def _judge(self, state: int | None) -> None:
        cuts, part = self._cuts, self._part
        cuts.cuts += 1
        part.cuts += 1
        cuts.acknowledged += len(self._marks)
        if state is None:
            part.broken += 1
            cuts.broken.append("a cut left a database that no commit ever made")
            return
        lost = sum(first > state for first in self._marks)
        cuts.lost += lost
        part.lost += lost
        cuts.first_lost = cuts.first_lost or (cuts.cuts if cuts.lost else 0)

    def _state_of(self, files: Mapping[str, bytes]) -> int | None:
        try:
            with opened(files, self._folder) as connection:
                return self._history.states.get(_fingerprint(connection))
        except sqlite3.DatabaseError:
            return None


def _fingerprint(connection: sqlite3.Connection) -> bytes:
    return hashlib.blake2b(connection.serialize(), digest_size=16).digest()
