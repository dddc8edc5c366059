"""How a call ended, as its caller sees it."""

import asyncio
from typing import Any, Final, NamedTuple

import grpc

from tallymark_protocol.reasons import DESCRIPTIONS
from tallymark_server.watching.under_way import UNDER_WAY

__all__ = ["OK", "Outcome", "outcome_of"]


class Outcome(NamedTuple):
    """Status and reason, as in `NOT_FOUND` and `CODE_NOT_FOUND`."""

    status: str
    reason: str = ""
    """Empty when there is none: the call was answered, or its caller went away."""

    @property
    def name(self) -> str:
        """The reason, or the status if there is none."""
        return self.reason or self.status


OK: Final = Outcome("OK")


def outcome_of(error: BaseException, context: grpc.aio.ServicerContext[Any, Any]) -> Outcome:
    """Return how the call of this task ended, which was not answered with OK."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return Outcome(_given_up(context))
    call = UNDER_WAY.get(None)
    if call is None or call.reason is None:
        return Outcome("UNKNOWN")
    return Outcome(DESCRIPTIONS[call.reason].status, call.reason.value)


def _given_up(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the status that the caller sees who waits no more."""
    remaining_seconds = context.time_remaining()
    if remaining_seconds is None:  # it set no deadline
        return "CANCELLED"
    return "CANCELLED" if remaining_seconds > 0 else "DEADLINE_EXCEEDED"
