"""What a lane has decided of the commands that it took together, and not yet saved."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tallymark_protocol.errors import TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import Command
from tallymark_server.domain.decide import Decision, request_key
from tallymark_server.domain.model.journal import Record
from tallymark_server.domain.state import Key, Row, Rows
from tallymark_server.lanes.row_memory import RowMemory
from tallymark_server.lanes.together import Place

__all__ = ["Batch", "Waiter", "Waiting"]

Waiter = asyncio.Future[Answer] | Place
"""Who waits for an answer: a call, or a place among commands of a stream."""


class Waiting(NamedTuple):
    """A command, and who waits for its answer."""

    command: Command
    answer: Waiter


class Batch:
    """Rows as they are after the commands that were decided so far, and what each came to.

    It presumes that a request was never sent before unless it is known (docs/decisions/0023), and
    keeps in mind what is still to be proved.
    """

    def __init__(self, memory: RowMemory, *, presumes: bool) -> None:
        """Take what is remembered, and whether anything may be presumed."""
        self._memory = memory
        self._presumes = presumes
        self.used: dict[Key[Any], Row | None] = {}
        """Rows that were loaded, presumed or decided, as they are after the batch."""

        self.rows: Rows = _Seen(self.used, memory.rows)
        self.changes: dict[Key[Any], Row | None] = {}
        self.presumed: set[Key[Any]] = set()
        """Requests that nobody has looked for in the store."""

        self.records: list[tuple[int, Record]] = []
        self.outcomes: list[tuple[Waiter, Answer | TallymarkError]] = []

    def presume_new(self, command: Command) -> None:
        """Take the command's request for one that was never sent before, if nothing is known."""
        key = request_key(command) if self._presumes else None
        if key is not None and key not in self.used and key not in self._memory.requests:
            self.used[key] = None
            self.presumed.add(key)

    def know(self, loaded: Rows) -> None:
        """Take in stored rows. What was decided or presumed while they were loaded stays."""
        for key, row in loaded.items():
            self.used.setdefault(key, row)

    def take(self, waiting: Waiting, decision: Decision) -> None:
        """Take in what was decided for one."""
        self.used.update(decision.changes)
        self.changes.update(decision.changes)
        if decision.record is not None:
            self.records.append((waiting.command.partition, decision.record))
        self.outcomes.append((waiting.answer, decision.answer))

    def fail(self, waiting: Waiting) -> None:
        """Isolate a command that made the rules raise. Nothing of it was taken in."""
        self.outcomes.append((waiting.answer, UnknownOutcome(Reason.INTERNAL)))

    def new(self) -> set[Key[Any]]:
        """Return the presumed requests that saving proves: they must not be there yet."""
        return {key for key in self.presumed if self.changes.get(key) is not None}


class _Seen(Mapping[Key[Any], Row | None]):
    """The rows of a batch before those that are remembered; a rule looks dozens of times."""

    def __init__(self, used: Rows, remembered: Rows) -> None:
        self._used = used
        self._remembered = remembered

    def __getitem__(self, key: Key[Any]) -> Row | None:
        return self._used[key] if key in self._used else self._remembered[key]

    def __contains__(self, key: object) -> bool:
        return key in self._used or key in self._remembered

    def __iter__(self) -> Iterator[Key[Any]]:
        return iter(self._used.keys() | self._remembered.keys())

    def __len__(self) -> int:
        return len(self._used.keys() | self._remembered.keys())
