"""The only way to have a password compared: the try is counted first, then there is a hash.

1. A turn to hash is waited for; whoever gets none was refused before anything was counted.
2. The try is reserved by the lane: from then on it counts, whatever happens.
3. The password is compared, on a thread.

Nobody comes here for a name that nobody has: whoever has a password compared has shown a device of
the customer, an invitation, or a session.
"""

from typing import Final

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
from tallymark_server.domain.model.people import Customer
from tallymark_server.lanes.lane import Lane
from tallymark_server.passwords import Passwords, check_new
from tallymark_server.services.answering import decided, is_repeated
from tallymark_server.storage.store import Store

__all__ = ["PasswordGuard"]

_NOT_COMPARED: Final = -1
"""A version that no password has."""


class PasswordGuard:
    """Compares passwords, and hashes new ones."""

    def __init__(self, *, lane: Lane, store: Store, passwords: Passwords) -> None:
        """Take the parts it works with."""
        self._lane = lane
        self._store = store
        self._passwords = passwords

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
        customer_id, partition = customer.customer_id, customer.partition
        caller = Caller(kind=CallerKind.CUSTOMER, caller_id=customer_id)
        if await is_repeated(self._store, caller=caller, partition=partition, request=request):
            # With the same password, which was compared before.
            return RightPassword(customer_id=customer_id, number=0, version=_NOT_COMPARED)
        async with self._passwords.turn(customer_id) as turn:
            number = await self._reserve_try(caller, partition)
            checked = await turn.check(customer.password_hash, password)
        if not checked.is_right:
            raise Refused(Reason.PASSWORD_WRONG)
        return RightPassword(
            customer_id=customer_id,
            number=number,
            version=customer.password_version,
            new_hash=checked.new_hash,
        )

    async def hash_new(self, password: str, *, login_name: str) -> str:
        """Return the hash of a new password.

        Raises:
            Refused: PASSWORD_TOO_SHORT, PASSWORD_COMMON.
            NotDone: OVERLOADED.

        """
        check_new(password, login_name=login_name)
        return await self._passwords.hash(password)

    async def _reserve_try(self, caller: Caller, partition: int) -> int:
        """Count a try of the customer's, and return its number since the last right one."""
        command = ReservePasswordTry(
            caller=caller, partition=partition, customer_id=caller.caller_id
        )
        return (await decided(self._lane, command, Done)).count
