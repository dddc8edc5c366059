"""Everything that may go wrong between the server and a credit institution, a fault to a charge.

The institution behind it is the simulated one, over a real connection. What is told to it travels
as long as the fault says, by the server's own clock, and outlives the server that sent it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

import grpc

from tallymark_server.domain.authorisation import (
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    InstitutionDisagrees,
    InstitutionSilent,
    ReversalResult,
)
from tallymark_server.institution import CreditInstitution
from tests.world.clock import MovedClock

__all__ = ["Fault", "UnreliableInstitution"]

REFUSALS: Final = 5
"""Reversals that fail before one works."""

DEAF_SECONDS: Final = 130
"""Longer than the hard limit of the server."""

AnswerT = TypeVar("AnswerT")


class Fault(StrEnum):
    """What happens to everything about one charge."""

    NONE = "none"
    NEVER_ANSWERS = "never answers"
    ANSWERS_LATE = "answers late"
    ARRIVES_LATE = "arrives late"
    REPLY_LOST = "executes but the reply is lost"
    FAILS_AFTER = "fails after executing"
    DUPLICATED = "duplicates"
    REFUSES_REVERSALS = "refuses the reversal 5 times"
    REFUSES_FOR_EVER = "refuses the reversal for ever"
    FORGETS_MARKS = "keeps no tombstone"


class _Letter(NamedTuple):
    """A call on its way."""

    arrives_at: int
    deliver: Callable[[], Awaitable[Any]]
    answer: "asyncio.Future[Any]"


class UnreliableInstitution(CreditInstitution):
    """Misbehaves for a share of the charges, in ways that a seed decides."""

    def __init__(
        self, channel: grpc.aio.Channel, *, clock: MovedClock, seed: int, share: float
    ) -> None:
        super().__init__(channel)
        self.faults: dict[str, Fault] = {}
        self.fired: Counter[Fault] = Counter()
        self.waited_for: set[str] = set()
        """Charges for which the server waits for an answer that is still on its way."""

        self.is_mended = False
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 -- repeatable is what it is for
        self._share = share
        self._letters: list[_Letter] = []
        self._silent_until: dict[str, int] = {}
        self._calls: Counter[tuple[str, str]] = Counter()

    async def deliver(self) -> None:
        """Let arrive what is to arrive by now."""
        now = self._clock.now()
        due = [letter for letter in self._letters if letter.arrives_at <= now]
        self._letters = [letter for letter in self._letters if letter.arrives_at > now]
        for letter in due:
            answer = await letter.deliver()
            if not letter.answer.cancelled():
                letter.answer.set_result(answer)

    async def authorise(
        self, authorisation_id: str, *, deadline_seconds: float, **question: Any
    ) -> AuthorisationResult:
        """Ask, with the fault of this charge."""

        async def ask() -> AuthorisationResult:
            return await CreditInstitution.authorise(
                self, authorisation_id, deadline_seconds=deadline_seconds, **question
            )

        is_first = authorisation_id not in self.faults
        if is_first:
            self._choose_fault(authorisation_id)
        self._check_deafness(authorisation_id)
        fault = self.faults[authorisation_id]
        if fault is Fault.NEVER_ANSWERS:
            if is_first:
                self._silence(authorisation_id, DEAF_SECONDS)
                await ask()
            self._be_silent(fault)
        if fault is Fault.ANSWERS_LATE and is_first:
            return await self._answered_late(authorisation_id, ask)
        if fault in {Fault.ARRIVES_LATE, Fault.FORGETS_MARKS} and is_first:
            travel_seconds = self._random.randint(1, 200)
            self._silence(authorisation_id, travel_seconds)
            self._send(travel_seconds, ask)
            self._be_silent(Fault.ARRIVES_LATE)
        return await self._executed("authorise", authorisation_id, ask)

    async def capture(self, authorisation_id: str, *, deadline_seconds: float) -> CaptureResult:
        """Take the amount, with the fault of this charge."""

        async def take() -> CaptureResult:
            return await CreditInstitution.capture(
                self, authorisation_id, deadline_seconds=deadline_seconds
            )

        return await self._executed("capture", authorisation_id, take)

    async def reverse(
        self, authorisation_id: str, *, note: str, deadline_seconds: float
    ) -> ReversalResult:
        """Give the amount back, with the fault of this charge."""

        async def give_back() -> ReversalResult:
            return await CreditInstitution.reverse(
                self, authorisation_id, note=note, deadline_seconds=deadline_seconds
            )

        fault = self.faults.get(authorisation_id, Fault.NONE)
        tries = self._calls["reverse", authorisation_id]
        refuses = (fault is Fault.REFUSES_FOR_EVER and not self.is_mended) or (
            fault is Fault.REFUSES_REVERSALS and tries < REFUSALS
        )
        if refuses:
            self._calls["reverse", authorisation_id] += 1
            self.fired[fault] += 1
            message = "The institution refuses the call."
            raise InstitutionDisagrees(message)
        if fault is Fault.FORGETS_MARKS:
            known = await CreditInstitution.find(
                self, authorisation_id, deadline_seconds=deadline_seconds
            )
            if known.state is AuthorisationState.NEVER_SEEN:
                self.fired[fault] += 1
                return ReversalResult.NEVER_SEEN
        return await self._executed("reverse", authorisation_id, give_back)

    async def find(
        self, authorisation_id: str, *, deadline_seconds: float, currency_code: str = ""
    ) -> AuthorisationLookup:
        """Look it up, unless nothing gets through."""
        self._check_deafness(authorisation_id)
        return await super().find(
            authorisation_id, deadline_seconds=deadline_seconds, currency_code=currency_code
        )

    async def _executed(
        self, name: str, authorisation_id: str, call: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """Execute a call; the answer to the first one of its name may be lost or come twice."""
        fault = self.faults.get(authorisation_id, Fault.NONE)
        answer = await call()
        self._calls[name, authorisation_id] += 1
        if self._calls[name, authorisation_id] > 1:
            return answer
        if fault is Fault.REPLY_LOST:
            self._be_silent(fault)
        if fault is Fault.FAILS_AFTER:
            self.fired[fault] += 1
            message = "The institution failed."
            raise InstitutionDisagrees(message)
        if fault is Fault.DUPLICATED:
            self.fired[fault] += 1
            self._send(self._random.randint(1, 200), call)
        return answer

    async def _answered_late(
        self, authorisation_id: str, ask: Callable[[], Awaitable[AuthorisationResult]]
    ) -> AuthorisationResult:
        """Let the server wait for an answer that takes its time, as long as it wants to wait."""
        self.fired[Fault.ANSWERS_LATE] += 1
        answer = self._send(self._random.randint(1, 29), ask)
        self.waited_for.add(authorisation_id)
        try:
            result: AuthorisationResult = await answer
        finally:
            self.waited_for.discard(authorisation_id)
        return result

    def _choose_fault(self, authorisation_id: str) -> None:
        faults = [fault for fault in Fault if fault is not Fault.NONE]
        is_faulty = self._random.random() < self._share
        fault = self._random.choice(faults) if is_faulty else Fault.NONE
        self.faults[authorisation_id] = fault

    def _send(
        self, travel_seconds: int, call: Callable[[], Awaitable[Any]]
    ) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        arrives_at = self._clock.now() + travel_seconds * 1000
        self._letters.append(_Letter(arrives_at, call, answer))
        return answer

    def _silence(self, authorisation_id: str, seconds: int) -> None:
        self._silent_until[authorisation_id] = self._clock.now() + seconds * 1000

    def _check_deafness(self, authorisation_id: str) -> None:
        if self._clock.now() < self._silent_until.get(authorisation_id, 0):
            self._be_silent(Fault.NONE)

    def _be_silent(self, fault: Fault) -> None:
        self.fired[fault] += 1
        message = "The institution does not answer."
        raise InstitutionSilent(message)
