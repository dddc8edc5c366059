"""The clients' log: what everybody asked, before it was sent, and what was answered, after it came.

It is kept by the process that no fault reaches, and written to a file line by line, so that a run
that ended badly can be read. Codes are in it under names of their own, never as they are shown.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

from tests.chaos.linearizability import Operation, is_linearizable
from tests.chaos.models import FREE, Answer, Code, Kind, code_step

__all__ = ["History", "Place"]


class Place(NamedTuple):
    """Where an operation stands in the history."""

    code_name: str
    number: int


class History:
    """Operations by the code that they are about, in the order of their calls."""

    def __init__(self, file: IO[str] | None = None, *, free: Code = FREE) -> None:
        """Take an open text file for the log, or none, and what the codes are at first."""
        self._free = free
        self.operations: dict[str, list[Operation]] = defaultdict(list)
        self._file = file

    @classmethod
    def kept_in(cls, path: Path, *, free: Code = FREE) -> "History":
        """Begin a log in a new file, which is written line by line."""
        return cls(path.open("x", buffering=1), free=free)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def called(self, code_name: str, kind: Kind, request_id: str) -> Place:
        """Write down that this is about to be sent."""
        operations = self.operations[code_name]
        place = Place(code_name, len(operations))
        operations.append(
            Operation(
                called=time.monotonic(), returned=None, kind=kind, request=request_id, answer=None
            )
        )
        self._write(place, called=kind, request_id=request_id)
        return place

    def answered(self, place: Place, answer: str) -> None:
        """Write down the answer. An operation of which nobody knows the outcome has none."""
        operations = self.operations[place.code_name]
        answered = replace(operations[place.number], returned=time.monotonic(), answer=answer)
        operations[place.number] = answered
        self._write(place, answer=answer)

    def not_linearizable(self) -> list[str]:
        """Return the codes whose history no single register explains."""
        return [
            name
            for name, operations in self.operations.items()
            if not is_linearizable(_effective(operations), self._free, code_step)
        ]

    def counts(self) -> Counter[str]:
        """Return how often each answer came to each kind of operation; "unknown" for none."""
        return Counter(
            f"{one.kind}: {one.answer or 'unknown'}"
            for operations in self.operations.values()
            for one in operations
        )

    def unknown(self) -> int:
        """Return how many operations have no answer."""
        return sum(count for what, count in self.counts().items() if what.endswith("unknown"))

    def decided_unheard(self) -> int:
        """Return how many requests were found decided that nobody had heard the answer of."""
        return sum(_decided_unheard(operations) for operations in self.operations.values())

    def _write(self, place: Place, **facts: str) -> None:
        if self._file:
            line = {"at": time.monotonic(), "code": place.code_name, "number": place.number}
            self._file.write(json.dumps(line | facts) + "\n")


def _effective(operations: Sequence[Operation]) -> Sequence[Operation]:
    """Leave out unknown operations that explain nothing, which the search would try all the same.

    That is every look-up, and of the repetitions of a request all but the first: it may have had
    its effect at any time after, and a repetition changes nothing more (a property of the model).
    """
    kept: list[Operation] = []
    unknown = {(Kind.LOOK_UP.value, one.request) for one in operations}
    for one in operations:
        if one.returned is not None:
            kept.append(one)
        elif (one.kind, one.request) not in unknown:
            unknown.add((one.kind, one.request))
            kept.append(one)
    return kept


def _decided_unheard(operations: Sequence[Operation]) -> int:
    """Count the requests whose first answer ever was a look-up that found them decided."""
    first_answers: dict[str, Operation] = {}
    for one in operations:
        if one.answer is not None:
            first_answers.setdefault(one.request, one)
    nothing = {Answer.NEVER_SEEN, Answer.BARRED}
    return sum(
        one.kind == Kind.LOOK_UP and one.answer not in nothing for one in first_answers.values()
    )
