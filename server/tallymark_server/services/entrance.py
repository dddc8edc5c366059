"""How many calls are answered at once. One more is sent away before anything of it is read.

Whoever comes when there is no place is told OVERLOADED and when to come again; nothing was done.
So nobody waits longer than those before take, and what is refused costs little of what is needed
to answer the others (decision 0021).

- What ends or looks something up is taken longest: it frees places, goods and money.
- What begins something new is refused before that, and strangers first.
- A call that waits for a person or for the institution stands aside, and takes no place.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, NamedTuple

import grpc
from grpc_status import rpc_status

from tallymark_protocol.errors import RETRY_PUSHBACK_KEY, NotDone, to_status
from tallymark_protocol.reasons import Reason

__all__ = [
    "ASIDE_MAX",
    "BEGINNING_MAX",
    "ENDING_MAX",
    "STRANGERS_MAX",
    "Door",
    "Entrance",
    "may_stand_aside",
    "places_for",
    "standing_aside",
]

BEGINNING_MAX: Final = 256
"""Calls at once: some 0.3 s of work for one core, and no larger batches make it faster."""

ENDING_MAX: Final = 384
"""What ends something, and operators, find places beyond those."""

STRANGERS_MAX: Final = 128
"""Callers without credentials find no places beyond these."""

ASIDE_MAX: Final = 5_000
"""Calls that wait for somebody else; beyond them they are told how it stands, at once."""

COMEBACK_SECONDS: Final = 0.1
"""The earliest time to come again: by then a third of those inside have been answered."""

APART_SECONDS: Final = 0.004
"""How far apart connections that were sent away are told to come again.

So 250 of them come in a second, and their refusals cost a twentieth of the core.
"""

COMEBACK_SECONDS_MAX: Final = 10.0

_ENDING: Final = {
    "/tallymark.v1.CustomerService/ConfirmProcess",
    "/tallymark.v1.CustomerService/RemoveDevice",
    "/tallymark.v1.CustomerService/RevokeCode",
    "/tallymark.v1.TerminalService/CompleteProcess",
    "/tallymark.v1.TerminalService/GetProcess",
    "/tallymark.v1.TerminalService/ReverseProcess",
}

_OPERATORS: Final = "/tallymark.v1.OperatorService/"

_Context = grpc.aio.ServicerContext[Any, Any]


def places_for(method: str, *, by_strangers: bool) -> int:
    """Return how many calls may be inside when one of this method, `/package.Service/M`, comes."""
    if by_strangers:
        return STRANGERS_MAX
    is_taken_longest = method in _ENDING or method.startswith(_OPERATORS)
    return ENDING_MAX if is_taken_longest else BEGINNING_MAX


class Entrance:
    """Counts who is inside; one for all ports of a server."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start with nobody inside; `now` is in seconds."""
        self._now = now
        self.inside = 0
        self.aside = 0
        self.turned_away = 0
        self._comebacks: OrderedDict[str, float] = OrderedDict()
        """When the connections come that were sent away; the next one stands first."""

        self.refusing: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self._refuse
        )
        """In place of a call's own handler; as a stream it does not wait for the request."""

    async def _refuse(self, _: object, context: _Context) -> None:
        """Send away, by the shortest way that grpc has: no exception, no message."""
        self.turned_away += 1
        refusal = _refusal(self._comeback_milliseconds(context.peer()))
        context.set_code(refusal.status.code)
        context.set_details(refusal.status.details)
        context.set_trailing_metadata(refusal.trailing)

    def _comeback_milliseconds(self, peer: str) -> int:
        """Return when to come again, in whole tenths of a second: each a little after the last.

        All calls of one connection have one time, until it is over.
        """
        now = self._now()
        while self._comebacks and next(iter(self._comebacks.values())) <= now:
            self._comebacks.popitem(last=False)
        comeback = self._comebacks.get(peer)
        if comeback is None:
            latest = next(reversed(self._comebacks.values()), 0.0)
            comeback = max(now + COMEBACK_SECONDS, latest + APART_SECONDS)
            comeback = min(comeback, max(latest, now + COMEBACK_SECONDS_MAX))
            self._comebacks[peer] = comeback
        return 100 * max(1, round(10 * (comeback - now)))

    def enter(self) -> None:
        """Take a place for the call of this task, until it leaves."""
        self.inside += 1
        _INSIDE.set(self)

    def leave(self) -> None:
        """Give the place back."""
        self.inside -= 1


class Door(grpc.GenericRpcHandler):
    """Finds the handler of each method of a service, or the refusal when no place is left."""

    def __init__(
        self,
        entrance: Entrance,
        entries: Mapping[str, tuple["grpc.RpcMethodHandler[Any, Any]", int]],
    ) -> None:
        """Take each method's handler, and how many may be inside when it is called."""
        self._entrance = entrance
        self._entries = entries

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Return what grpc asks for at every call."""
        entry = self._entries.get(handler_call_details.method)
        if entry is None:
            return None
        handler, places = entry
        return handler if self._entrance.inside < places else self._entrance.refusing


_INSIDE: Final[ContextVar[Entrance]] = ContextVar("entrance")


def may_stand_aside() -> bool:
    """Say whether one more call may wait for somebody else."""
    entrance = _INSIDE.get(None)
    return entrance is None or entrance.aside < ASIDE_MAX


@contextmanager
def standing_aside() -> Iterator[None]:
    """Give this call's place to others as long as the context lasts."""
    entrance = _INSIDE.get(None)
    if entrance is None:
        yield
        return
    entrance.inside -= 1
    entrance.aside += 1
    try:
        yield
    finally:
        entrance.inside += 1
        entrance.aside -= 1


class _Refusal(NamedTuple):
    status: grpc.Status
    trailing: tuple[tuple[str, str | bytes], ...]


@lru_cache(maxsize=128)
def _refusal(comeback_milliseconds: int) -> _Refusal:
    """Pack the refusal, once for each time to come again."""
    error = NotDone(Reason.OVERLOADED, retry_after_seconds=comeback_milliseconds / 1000)
    status = rpc_status.to_status(to_status(error))
    pushback = (RETRY_PUSHBACK_KEY, str(comeback_milliseconds))
    return _Refusal(status, (*(status.trailing_metadata or ()), pushback))
