"""The call that a task works for, for its log lines and its outcome."""

from contextvars import ContextVar
from typing import Final

from tallymark_protocol.reasons import Reason

__all__ = ["UNDER_WAY", "UnderWay", "note_failure"]


class UnderWay:
    """A call from its arrival to its end."""

    __slots__ = ("method", "reason", "request", "trace_id")

    def __init__(self, method: str, request: object) -> None:
        """Take the method, as in `TerminalService/ResolveCode`, and what was sent."""
        self.method = method
        self.request = request
        """Not checked yet: nothing of it belongs into a log line but a well-formed request_id."""

        self.reason: Reason | None = None
        """Why it failed, once that is known."""

        self.trace_id = ""
        """Of the trace that it is part of, if it is."""


UNDER_WAY: Final[ContextVar[UnderWay]] = ContextVar("under_way")


def note_failure(reason: Reason | None) -> None:
    """Remember for whoever watches why the call of this task fails."""
    call = UNDER_WAY.get(None)
    if call is not None:
        call.reason = reason
