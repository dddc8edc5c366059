"""A row of the table of reasons: how the real server is brought to answer with it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest

from tallymark_protocol.reasons import Reason
from tests.world.calls import Call
from tests.world.stage import Stage

__all__ = ["Arrange", "Case"]

Arrange = Callable[[Stage, pytest.MonkeyPatch], Awaitable[Call]]
"""Prepares everything and returns the call that has to fail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One way to one reason."""

    reason: Reason
    arrange: Arrange

    metadata: Mapping[str, str] = field(default_factory=dict)
    """What ErrorInfo carries, and what is said in the places of the sentence."""

    violations: tuple[str, ...] = ()
    """Fields that BadRequest names."""

    changes: frozenset[str] = frozenset()
    """Tables that change although the call is refused, because the try itself is counted."""

    is_row: bool = False
    """The call succeeds, and the outcome of its only row carries the reason."""

    def __str__(self) -> str:
        """Name the row in the ids of tests."""
        return f"{self.reason}-{self.arrange.__name__}"
