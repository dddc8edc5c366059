"""The calls of one visit: each follows the one before, and all are measured.

The first call is due when the visit was; each later one when the one before was answered and its
answer thought about. So a visit that begins late counts as late, and a slow answer is not counted
twice.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import grpc

from tallymark_load.results import Measurements, Sample
from tallymark_protocol.errors import from_call

__all__ = ["CALL_SECONDS_MAX", "CallFailed", "Chain", "Metadata", "outcome_of"]

CALL_SECONDS_MAX: Final = 30.0
"""Deadline of every call; a call without an answer counts as one that took this long."""

_NANOSECONDS: Final = 1_000_000_000
_OK: Final = "OK"

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")

Metadata = Sequence[tuple[str, str]]


class CallFailed(Exception):
    """A call ended otherwise than it should; `outcome` is its reason or status."""

    def __init__(self, method: str, outcome: str) -> None:
        """Take what was called and how it ended."""
        super().__init__(f"{method} ended with {outcome}")
        self.outcome = outcome


class Chain:
    """Makes calls one after another, on time, and measures them."""

    def __init__(
        self, measurements: Measurements, *, due_ns: int, think_seconds: Callable[[], float]
    ) -> None:
        """Take when the first call is due, by the measurements' clock, and how long to think."""
        self._measurements = measurements
        self._think_seconds = think_seconds
        self.due_ns = due_ns

    async def call(
        self,
        name: str,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, AnswerT],
        request: RequestT,
        metadata: Metadata,
        *,
        expected: str = _OK,
    ) -> AnswerT:
        """Make a call; a failure that is `expected` is measured as no error.

        Raises:
            CallFailed: it was not answered.

        """
        with self.measuring(name, expected=expected):
            try:
                return await method(request, metadata=tuple(metadata), timeout=CALL_SECONDS_MAX)
            except grpc.aio.AioRpcError as error:
                raise CallFailed(name, outcome_of(error)) from error

    @contextmanager
    def measuring(self, name: str, *, expected: str = _OK) -> Iterator[None]:
        """Measure what the context does as a call, which CallFailed ends otherwise than with OK."""
        sent = time.monotonic_ns()
        outcome = _OK
        self._measurements.count_sent()
        try:
            yield
        except CallFailed as failed:
            outcome = failed.outcome
            raise
        finally:
            now = time.monotonic_ns()
            sample = Sample(
                method=name,
                intended_ns=min(self.due_ns, sent),
                sent_ns=sent,
                ended_ns=now,
                outcome=outcome,
                is_expected=outcome == expected,
            )
            self._measurements.record(sample)
            self.due_ns = now

    async def refused(
        self,
        name: str,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, AnswerT],
        request: RequestT,
        metadata: Metadata,
        *,
        expected: str,
    ) -> None:
        """Make a call that should be refused for a reason.

        Raises:
            CallFailed: it was answered, or refused for another reason.

        """
        try:
            await self.call(name, method, request, metadata, expected=expected)
        except CallFailed as failed:
            if failed.outcome != expected:
                raise
        else:
            raise CallFailed(name, _OK)

    async def think(self) -> None:
        """Let the time pass that a person takes before the next call."""
        self.due_ns += round(self._think_seconds() * _NANOSECONDS)
        left = self.due_ns - time.monotonic_ns()
        if left > 0:
            await asyncio.sleep(left / _NANOSECONDS)

    def heard(self, name: str, *, since_ns: int, outcome: str = _OK) -> None:
        """Measure the message of a stream: how long after it could have come it came."""
        now = time.monotonic_ns()
        self._measurements.count_sent()
        since = min(since_ns, now)
        self._measurements.record(
            Sample(method=name, intended_ns=since, sent_ns=since, ended_ns=now, outcome=outcome)
        )


def outcome_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of a failed call, or the name of its status if it has none."""
    reason = from_call(error).reason
    return error.code().name if reason is None else reason.value
