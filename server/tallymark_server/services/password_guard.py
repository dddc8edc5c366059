"""The only way to have a password compared: the try is counted first, then there is a hash.

1. A request that is under way already is waited for: the same one is compared once.
2. A turn to hash is waited for; whoever gets none was refused before anything was counted.
3. The try is reserved by the lane: from then on it counts, whatever happens.
4. The password is compared, on a thread.

Nobody comes here for a name that nobody has: whoever has a password compared has shown a device of
the customer, an invitation, or a session.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done
from tallymark_server.domain.commands import (
    Caller,
    RequestKey,
    ReservePasswordTry,
    RightPassword,
)
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Customer, Login
from tallymark_server.lanes.lane import Lane
from tallymark_server.passwords import Passwords, check_new
from tallymark_server.services.answering import decided, is_repeated, load_one
from tallymark_server.storage.store import Store

__all__ = ["PasswordGuard"]

COMPARED_MAX: Final = 1_000
"""Newest comparisons that are kept in mind for repetitions which come before the decision."""

_NOT_COMPARED: Final = -1
"""A version that no password has."""


class PasswordGuard:
    """Compares passwords, and hashes new ones."""

    def __init__(self, *, lane: Lane, store: Store, passwords: Passwords) -> None:
        """Take the parts it works with."""
        self._lane = lane
        self._store = store
        self._passwords = passwords
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._compared: dict[tuple[str, RequestKey], RightPassword | None] = {}

    def demand_room(self) -> None:
        """Send a caller away before anything of its call was looked at, if too many wait already.

        Raises:
            NotDone: OVERLOADED.

        """
        self._passwords.demand_room()

    async def check(
        self, customer: Customer, password: str, *, request: RequestKey
    ) -> RightPassword:
        """Compare the customer's password.

        What is returned belongs into the command that the password was given for, a `UsesPassword`
        under this request. Without that the try stays counted as a wrong one.

        Raises:
            Refused: PASSWORD_WRONG, PASSWORD_WAIT, PASSWORD_LOCKED; REQUEST_ID_REUSED, as the lane
                would say.
            NotDone: OVERLOADED; nothing was counted.

        """
        caller = Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id)
        async with self._alone(caller, request):
            if await self._is_stored(caller, customer.partition, request):
                # With the same password, which was compared before.
                return RightPassword(
                    customer_id=customer.customer_id, number=0, version=_NOT_COMPARED
                )
            if (caller.name, request) not in self._compared:
                self._keep_in_mind(caller, request, await self._compare(customer, caller, password))
            right = self._compared[caller.name, request]
        if right is None:
            raise Refused(Reason.PASSWORD_WRONG)
        return right

    async def is_repeated(self, caller: Caller, partition: int, request: RequestKey) -> bool:
        """Say whether the request was decided before; another one under its id counts as a try.

        Raises:
            Refused: REQUEST_ID_REUSED, PASSWORD_WAIT, PASSWORD_LOCKED.

        """
        async with self._alone(caller, request):
            return await self._is_stored(caller, partition, request)

    async def hash_new(self, password: str, *, login_name: str) -> str:
        """Return the hash of a new password.

        Raises:
            Refused: PASSWORD_TOO_SHORT, PASSWORD_COMMON.
            NotDone: OVERLOADED.

        """
        check_new(password, login_name=login_name)
        return await self._passwords.hash(password)

    @asynccontextmanager
    async def _alone(self, caller: Caller, request: RequestKey) -> AsyncIterator[None]:
        """Let no other call under the same id be looked at, whatever its password."""
        name = f"{caller.name}/{request.rpc}/{request.request_id}"
        async with self._under_way.setdefault(name, asyncio.Lock()):
            yield

    async def _is_stored(self, caller: Caller, partition: int, request: RequestKey) -> bool:
        try:
            return await is_repeated(
                self._store, caller=caller, partition=partition, request=request
            )
        except Refused:
            await self._count_reuse(caller, partition, request)
            raise

    async def _compare(
        self, customer: Customer, caller: Caller, password: str
    ) -> RightPassword | None:
        async with self._passwords.turn(customer.customer_id) as turn:
            number = await self._reserve_try(caller, customer.partition)
            checked = await turn.check(customer.password_hash, password)
        if not checked.is_right:
            return None
        return RightPassword(
            customer_id=customer.customer_id,
            number=number,
            version=customer.password_version,
            new_hash=checked.new_hash,
        )

    def _keep_in_mind(
        self, caller: Caller, request: RequestKey, right: RightPassword | None
    ) -> None:
        if len(self._compared) >= COMPARED_MAX:
            del self._compared[next(iter(self._compared))]
        self._compared[caller.name, request] = right

    async def _count_reuse(self, caller: Caller, partition: int, request: RequestKey) -> None:
        """Count a guess at the password of a decided request, which is good for nothing then."""
        customer_id = caller.caller_id
        if caller.kind is CallerKind.ANYONE:  # who registered under this name
            login = await load_one(self._store, Login.key_of(caller.caller_id))
            assert login is not None, "of strangers only a registration is stored"
            customer_id = login.customer_id
        command = ReservePasswordTry(
            caller=caller, partition=partition, customer_id=customer_id, reused=request
        )
        await decided(self._lane, command, Done)

    async def _reserve_try(self, caller: Caller, partition: int) -> int:
        """Count a try of the customer's, and return its number since the last right one."""
        command = ReservePasswordTry(
            caller=caller, partition=partition, customer_id=caller.caller_id
        )
        return (await decided(self._lane, command, Done)).count
