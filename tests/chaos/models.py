"""What a code does, one operation after the other: the model that histories are held against.

A code is free until one request claims it; then it is that request's for ever, which is completed,
or ends without effect, or is completed and taken back. A request that was reversed before it was
seen is barred.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from tests.chaos.linearizability import Operation

__all__ = ["FREE", "FREE_AT_GATE", "Answer", "Code", "Kind", "Phase", "code_step"]


class Kind(StrEnum):
    """What terminals do to a code."""

    CLAIM = "claim"
    COMPLETE = "complete"
    REVERSE = "reverse"
    LOOK_UP = "look up"


class Answer(StrEnum):
    """What they hear."""

    WON = "won"
    """CLAIM and LOOK_UP: the code is this request's, and its process is open."""
    DONE = "done"
    """All: the process is completed; REVERSE: and is taken back now."""
    ENDED = "ended"
    """All: the process ended without effect."""
    LOST = "lost"
    """CLAIM and LOOK_UP: the code is another request's."""
    BARRED = "barred"
    """CLAIM and LOOK_UP: the request was reversed before it was seen."""
    NEVER_SEEN = "never seen"
    """LOOK_UP and REVERSE: there is no such request."""
    FROZEN = "frozen"
    """COMPLETE: not now, because another terminal showed the code too."""


class Phase(StrEnum):
    """How far the request that has the code is."""

    OPEN = "open"
    DONE = "done"
    ENDED = "ended"
    TAKEN_BACK = "taken back"


class Code(NamedTuple):
    """A code as the server has it."""

    owner: str = ""
    phase: Phase = Phase.OPEN
    lost: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    completes_itself: bool = False
    """Whether a claim is all there is, as at a gate."""


FREE = Code()
FREE_AT_GATE = Code(completes_itself=True)


def code_step(code: Code, operation: Operation) -> Iterable[Code]:
    """Return what the code may be afterwards, if the answer is right."""
    possible = _OUTCOMES[Kind(operation.kind)](code, operation.request)
    if operation.answer is None:
        return [after for _, after in possible]
    return [after for answer, after in possible if answer == operation.answer]


_Outcomes = list[tuple[Answer, Code]]


def _claim(code: Code, request: str) -> _Outcomes:
    if request in code.barred:
        return [(Answer.BARRED, code)]
    if code.owner == request:
        return _state(code)
    if code.owner or request in code.lost:
        return [(Answer.LOST, code._replace(lost=code.lost | {request}))]
    claimed = code._replace(owner=request)
    if not code.completes_itself:
        return _state(claimed)
    ended = claimed._replace(phase=Phase.ENDED)
    return [*_state(claimed._replace(phase=Phase.DONE)), *_state(ended)]


def _complete(code: Code, request: str) -> _Outcomes:
    if code.owner != request or code.phase is Phase.ENDED:
        return [(Answer.ENDED, code)]
    if code.phase is Phase.OPEN:  # it may have been refused meanwhile, by the bank for example
        ended = code._replace(phase=Phase.ENDED)
        done = code._replace(phase=Phase.DONE)
        return [(Answer.DONE, done), (Answer.ENDED, ended), (Answer.FROZEN, code)]
    return [(Answer.DONE, code)]


def _reverse(code: Code, request: str) -> _Outcomes:
    if request in code.lost:  # it was answered: there is nothing to bar
        return [(Answer.NEVER_SEEN, code)]
    if code.owner != request:
        return [(Answer.NEVER_SEEN, code._replace(barred=code.barred | {request}))]
    if code.phase in {Phase.OPEN, Phase.ENDED}:
        return [(Answer.ENDED, code._replace(phase=Phase.ENDED))]
    return [(Answer.DONE, code._replace(phase=Phase.TAKEN_BACK))]


def _look_up(code: Code, request: str) -> _Outcomes:
    if code.owner == request:
        return _state(code)
    if request in code.barred:
        return [(Answer.BARRED, code)]
    if request in code.lost:
        return [(Answer.LOST, code)]
    return [(Answer.NEVER_SEEN, code)]


def _state(code: Code) -> _Outcomes:
    """Return how the process stands. An open one may end by itself: declined, or out of time."""
    match code.phase:
        case Phase.OPEN:
            return [(Answer.WON, code), (Answer.ENDED, code._replace(phase=Phase.ENDED))]
        case Phase.ENDED:
            return [(Answer.ENDED, code)]
        case Phase.DONE | Phase.TAKEN_BACK:
            return [(Answer.DONE, code)]


_OUTCOMES = {
    Kind.CLAIM: _claim,
    Kind.COMPLETE: _complete,
    Kind.REVERSE: _reverse,
    Kind.LOOK_UP: _look_up,
}
