"""The only way to have a password compared: the try is counted first, then there is a hash.

1. A turn to hash is waited for; whoever gets none was refused before anything was counted.
2. The try is reserved by the lane: from then on it counts, whatever happens.
3. The password is compared, on a thread.

A name that nobody has goes the same way, so that neither answers nor times tell it from one that
somebody has: the same rows are read, its tries are counted and waited for, and a password of nobody
is compared. Only the journal keeps nothing of it.
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
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Customer
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.passwords import Passwords, check_new
from tallymark_server.services.answering import decided, is_repeated
from tallymark_server.storage.store import Store

__all__ = ["PasswordGuard"]

PLACES_BYTES: Final = 2
"""Names that nobody has share 65,536 places for their tries.

Guessing fills no database then. To push one name out of its place takes tens of thousands of tries
at others, which the budget for strangers makes a matter of hours.
"""

_NOT_COMPARED: Final = -1
"""A version that no password has."""


class PasswordGuard:
    """Compares passwords, and hashes new ones."""

    def __init__(self, *, lane: Lane, store: Store, keyring: Keyring, passwords: Passwords) -> None:
        """Take the parts it works with."""
        self._lane = lane
        self._store = store
        self._keyring = keyring
        self._passwords = passwords

    async def check(
        self, customer: Customer | None, password: str, *, login_name: str, request: RequestKey
    ) -> RightPassword:
        """Compare the customer's password; None stands for a name that nobody has.

        What is returned belongs into the command that the password was given for, a `UsesPassword`
        under this request. Without that the try stays counted as a wrong one.

        Raises:
            Refused: PASSWORD_WRONG, PASSWORD_WAIT, PASSWORD_LOCKED; REQUEST_ID_REUSED, as the lane
                would say.
            NotDone: OVERLOADED; nothing was counted.

        """
        reserve = self._try_of(customer, login_name)
        owner = Caller(kind=CallerKind.CUSTOMER, caller_id=reserve.owner_id)
        if await is_repeated(
            self._store, caller=owner, partition=reserve.partition, request=request
        ):  # with the same password, which was compared before
            return RightPassword(customer_id=reserve.owner_id, number=0, version=_NOT_COMPARED)
        async with self._passwords.turn() as turn:
            number = (await decided(self._lane, reserve, Done)).count
            checked = await turn.check(customer.password_hash if customer else None, password)
        if customer is None or not checked.is_right:
            raise Refused(Reason.PASSWORD_WRONG)
        return RightPassword(
            customer_id=customer.customer_id,
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

    def _try_of(self, customer: Customer | None, login_name: str) -> ReservePasswordTry:
        if customer is not None:
            return ReservePasswordTry(
                caller=Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id),
                partition=customer.partition,
                owner_id=customer.customer_id,
            )
        name_hash = self._keyring.derive_bytes(16, "name of nobody", login_name).hex()
        return ReservePasswordTry(
            caller=Caller(kind=CallerKind.ANYONE, caller_id="anyone"),
            partition=DIRECTORY,
            owner_id=f"nobody-{name_hash[: 2 * PLACES_BYTES]}",
            name_hash=name_hash,
        )
