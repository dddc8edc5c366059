"""A guard over a real database, somebody who guesses, and guards with planted bugs."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from argon2 import PasswordHasher

from tallymark_protocol.errors import Refused, TallymarkError
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import Caller, RequestKey, RightPassword, UnlockPassword
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.passwords import PasswordTries
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.passwords import FAILURES_MAX
from tallymark_server.lanes.lane import Lane
from tallymark_server.passwords import UNSAFE_FAST_FOR_TESTS, Passwords
from tallymark_server.services.answering import load_one
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.lane_ground import lane_over
from tests.world.clock import START, MovedClock
from tests.world.keys import cells_of_tests
from tests.world.messages import new_id
from tests.world.signed_requests import PASSWORD

__all__ = [
    "Ground",
    "GuardThatChecksThenCounts",
    "GuardThatForgets",
    "count_comparisons",
    "outcome",
    "server",
    "unlock",
]

ANA = Customer.key_of(0, "ana")


class Ground(NamedTuple):
    """What serves until it is restarted."""

    guard: PasswordGuard
    lane: Lane
    store: SqliteStore


@asynccontextmanager
async def server(
    path: Path, clock: MovedClock, kind: type[PasswordGuard] = PasswordGuard
) -> AsyncIterator[Ground]:
    """Serve the customer "ana" from this database; leaving it closes everything."""
    store = await SqliteStore.open(path, cells_of_tests())
    passwords = Passwords(UNSAFE_FAST_FOR_TESTS)
    try:
        if await load_one(store, ANA) is None:
            customer = Customer(
                partition=0,
                customer_id="ana",
                login_name="ana",
                password_hash=await passwords.hash(PASSWORD),
                registered_at=START,
            )
            await store.save({customer.key: customer}, [])
        async with lane_over(store, clock=clock) as lane:
            yield Ground(kind(lane=lane, store=store, passwords=passwords), lane, store)
    finally:
        passwords.close()
        await store.close()


async def outcome(ground: Ground, password: str) -> TallymarkError | RightPassword:
    """Return what a guess comes to."""
    customer = await load_one(ground.store, ANA)
    assert customer is not None
    request = RequestKey(rpc="SignIn", request_id=new_id(), fingerprint="")
    try:
        return await ground.guard.check(customer, password, request=request)
    except TallymarkError as error:
        return error


async def unlock(ground: Ground) -> None:
    """Let the operator unlock the password."""
    operator = Caller(kind=CallerKind.OPERATOR, caller_id="root")
    await ground.lane.submit(UnlockPassword(caller=operator, partition=0, customer_id="ana"))


def count_comparisons(patch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what the real hasher is given to compare."""
    compared: Counter[str] = Counter()
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: str) -> Any:
        compared[password] += 1
        return verify(self, stored, password)

    patch.setattr(PasswordHasher, "verify", counted)
    return compared


class GuardThatForgets(PasswordGuard):
    """Planted bug: the tries are counted in memory."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._failures: Counter[str] = Counter()

    async def _reserve_try(self, caller: Caller, partition: int) -> int:
        if self._failures[caller.caller_id] >= FAILURES_MAX:
            raise Refused(Reason.PASSWORD_LOCKED)
        self._failures[caller.caller_id] += 1
        return self._failures[caller.caller_id]


class GuardThatChecksThenCounts(PasswordGuard):
    """Planted bug: a try is counted only after it was wrong."""

    async def check(
        self, customer: Customer, password: str, *, request: RequestKey
    ) -> RightPassword:
        key = PasswordTries.key_of(customer.partition, customer.customer_id)
        tries = await load_one(self._store, key)
        if tries is not None and tries.failures >= FAILURES_MAX:
            raise Refused(Reason.PASSWORD_LOCKED)
        async with self._passwords.turn() as turn:
            checked = await turn.check(customer.password_hash, password)
        if not checked.is_right:
            caller = Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id)
            await self._reserve_try(caller, customer.partition)
            raise Refused(Reason.PASSWORD_WRONG)
        return RightPassword(customer_id=customer.customer_id, number=0, version=0)
