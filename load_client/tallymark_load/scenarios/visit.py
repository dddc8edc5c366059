"""One visit: a customer with a phone comes to a terminal; and the book of how visits ended."""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from tallymark.v1 import action_pb2, process_pb2
from tallymark_load.scenarios.chain import Chain
from tallymark_load.scenarios.operator import Operator
from tallymark_load.scenarios.phone import Phone
from tallymark_load.scenarios.streamed_terminal import StreamedTerminal
from tallymark_load.scenarios.terminal import Terminal

__all__ = ["COMPLETED", "Visit", "VisitBook", "ending_of"]

COMPLETED: Final = "COMPLETED"


@dataclass(slots=True, kw_only=True)
class Visit:
    """Who meets where, with values drawn for this visit alone."""

    chain: Chain
    phone: Phone
    terminal: Terminal
    other_terminal: Terminal
    """Another one of the same merchant; the same one where there is no other."""

    streamed: StreamedTerminal
    """The terminal, with its commands on a stream."""

    operator: Operator
    options: dict[str, tuple[int, int]]
    """Lowest and highest value of each number that the kind of visit draws."""

    random: random.Random
    points: int = 0
    """How many points of the customer the visit has added; below zero when it took some."""

    def draw(self, name: str) -> int:
        """Draw a number of the visit."""
        return self.random.randint(*self.options[name])

    def note_points(self, receipt: process_pb2.Receipt) -> None:
        """Add up what a receipt says about points."""
        self.points += sum(posting.points for posting in receipt.postings)


@dataclass(slots=True)
class VisitBook:
    """How visits of each kind ended."""

    endings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unexpected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Kind and ending of visits that ended otherwise than they should."""

    points: int = 0
    waited_for_customer: int = 0
    """Visits that began late, because every customer was on another one."""

    def note(self, kind: str, ending: str, *, expected: str) -> None:
        """Count a visit."""
        self.endings[kind][ending] += 1
        if ending != expected:
            self.unexpected[kind, ending] += 1

    @property
    def visits(self) -> int:
        """How many visits there were."""
        return sum(counter.total() for counter in self.endings.values())


def ending_of(process: process_pb2.Process) -> str:
    """Return the state of a process, with the reason of its refusal: DECLINED NO_TICKET."""
    state = process_pb2.ProcessState.Name(process.state).removeprefix("PROCESS_STATE_")
    if not process.HasField("refusal"):
        return state
    reason = action_pb2.RefusalReason.Name(process.refusal.reason)
    return f"{state} {reason.removeprefix('REFUSAL_REASON_')}"
