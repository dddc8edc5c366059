"""Whether a history can be explained by one thing that does one operation after the other.

The search of Wing and Gong (1993), with the memory of Lowe (2017): take operations one by one in
any order in which no operation comes before one that had returned when it was called, and see
whether the model allows every answer. An operation whose answer is unknown may have had its effect
at any time after its call, or never.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Operation", "is_linearizable"]

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """What somebody did to one thing, from call to answer."""

    called: float
    """Any clock that all callers share."""

    returned: float | None
    """None: nobody knows the answer."""

    kind: str
    request: str
    """Which request this is about: its repetitions are operations with the same one."""

    answer: str | None


Step = Callable[[S, Operation], Iterable[S]]
"""Return the states in which the operation may leave the thing, none if the answer is wrong.

With an unknown answer that is every state in which it could leave it.
"""


def is_linearizable(operations: Sequence[Operation], initial: S, step: Step[S]) -> bool:
    """Say whether the operations can be put in a row that the model allows.

    The time grows with 2 to the power of the operations that overlap, so check one thing at a time.
    """
    order = sorted(operations, key=lambda one: one.called)
    answered = sum(1 << place for place, one in enumerate(order) if one.returned is not None)
    seen: set[tuple[int, S]] = set()
    open_ends = [(0, initial)]
    while open_ends:
        done, state = open_ends.pop()
        if done & answered == answered:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        for place in _may_be_next(order, done):
            after, is_unknown = done | 1 << place, order[place].returned is None
            open_ends.extend(
                (after, following)
                for following in step(state, order[place])
                if not is_unknown or following != state  # without effect it is as if it never came
            )
    return False


def _may_be_next(order: Sequence[Operation], done: int) -> Iterator[int]:
    """Yield the places of the operations that were called before any other open one returned."""
    left = [place for place in range(len(order)) if not done >> place & 1]
    first_return = min(
        (returned for place in left if (returned := order[place].returned) is not None),
        default=float("inf"),
    )
    for place in left:
        if order[place].called > first_return:
            return
        yield place
