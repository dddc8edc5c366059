"""A simulated institution in this process, reached over a real connection."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

import grpc
import msgspec

from tallymark.v1.credit_institution_service_pb2_grpc import CreditInstitutionServiceStub
from tallymark_institution.app import Clock, Options, serving
from tallymark_server.domain.authorisation import (
    AuthorisationLookup,
    AuthorisationResult,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.institution import CreditInstitution, open_institution_channel

__all__ = ["DEADLINE_SECONDS", "StoppedClock", "Trial", "trial"]

DEADLINE_SECONDS = 30.0
"""Never reached by a test that passes."""


class StoppedClock:
    """A clock that moves only when a test moves it, and tells when somebody waits for it."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0
        self.somebody_waits = asyncio.Event()
        self._alarms: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        alarm = asyncio.Event()
        self._alarms.append((self.seconds + seconds, alarm))
        self.somebody_waits.set()
        await alarm.wait()

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        for wakes_at, alarm in self._alarms:
            if wakes_at <= self.seconds < math.inf:
                alarm.set()


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A simulator and what reaches it: our client, and the bare stub of any other client."""

    institution: CreditInstitution
    channel: grpc.aio.Channel
    stub: CreditInstitutionServiceStub
    clock: StoppedClock
    lines: list[str]
    port: int

    async def authorise(
        self,
        minor_units: int,
        *,
        authorisation_id: str = "a1",
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> AuthorisationResult:
        return await self.institution.authorise(
            authorisation_id,
            card_token="sim_token",
            currency_code="EUR",
            minor_units=minor_units,
            merchant_id="cafe",
            terminal_id="till-1",
            deadline_seconds=deadline_seconds,
        )

    async def find(self, authorisation_id: str = "a1") -> AuthorisationLookup:
        return await self.institution.find(authorisation_id, deadline_seconds=DEADLINE_SECONDS)

    async def capture(self, authorisation_id: str = "a1") -> CaptureResult:
        return await self.institution.capture(authorisation_id, deadline_seconds=DEADLINE_SECONDS)

    async def reverse(self, authorisation_id: str = "a1") -> ReversalResult:
        return await self.institution.reverse(
            authorisation_id, note="given up", deadline_seconds=DEADLINE_SECONDS
        )


@contextlib.asynccontextmanager
async def trial(*, keeps_marks: bool = True) -> AsyncIterator[Trial]:
    clock = StoppedClock()
    lines: list[str] = []
    options = Options(listen="127.0.0.1:0", tell=lines.append, keeps_marks=keeps_marks)
    wall = Clock(now=clock.now, sleep=clock.sleep)
    async with (
        serving(options, clock=wall, grace_seconds=0) as port,
        open_institution_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Trial(
            institution=CreditInstitution(channel),
            channel=channel,
            stub=CreditInstitutionServiceStub(channel),
            clock=clock,
            lines=lines,
            port=port,
        )
