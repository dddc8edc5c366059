"""Calls that make a cast: patient, and repeated as they were until they are answered."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import grpc

from tallymark_protocol.errors import NotDone, UnknownOutcome, from_call

__all__ = ["BATCH", "Waiting", "each", "patiently"]

DEADLINE_SECONDS: Final = 60.0
"""A registration may wait long for its password to be hashed."""

BATCH: Final = 64
"""Calls under way at once, after which what was answered is kept."""

_LOST_MAX: Final = 5
"""Times that a call without an answer is repeated before that is an error."""

_PAUSE_SECONDS: Final = 1.0

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")
MemberT = TypeVar("MemberT")

Waiting = Callable[[NotDone], None]
"""Told each time that the server puts a call off."""


async def patiently(
    method: grpc.aio.UnaryUnaryMultiCallable[RequestT, AnswerT],
    request: RequestT,
    *,
    metadata: Sequence[tuple[str, str]] = (),
    waiting: Waiting = lambda _: None,
) -> AnswerT:
    """Make the call until it is answered; one that is put off waits as long as it takes.

    Raises:
        Refused: the server said no.
        UnknownOutcome: no answer came, several times.

    """
    lost = 0
    while True:
        try:
            return await method(request, timeout=DEADLINE_SECONDS, metadata=tuple(metadata))
        except grpc.aio.AioRpcError as failed:
            error = from_call(failed)
        if isinstance(error, NotDone):
            waiting(error)
            await asyncio.sleep(error.retry_after_seconds or _PAUSE_SECONDS)
        elif isinstance(error, UnknownOutcome) and lost < _LOST_MAX:
            lost += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            raise error


async def each(
    members: Iterable[MemberT],
    work: Callable[[MemberT], Coroutine[Any, Any, None]],
    after_batch: Callable[[], Awaitable[None]],
) -> None:
    """Do the work for all members, many at once.

    A failure ends it only after the others of its batch are done and kept, so nothing that was
    answered is lost.

    Raises:
        Exception: the first failure.

    """
    left = iter(members)
    while batch := list(islice(left, BATCH)):
        results = await asyncio.gather(*map(work, batch), return_exceptions=True)
        await after_batch()
        for result in results:
            if isinstance(result, BaseException):
                raise result
