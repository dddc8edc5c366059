"""Points: double entry, so that a programme sums to zero, and holds, so that nobody falls below it.

The sum is that of all accounts of the programme in one partition, the issuer's among them.
"""

import msgspec

from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Posting
from tallymark_server.domain.model.registrations import ISSUER, PointsAccount
from tallymark_server.domain.state import Draft, Key

__all__ = ["PROGRAMMES_MAX", "account_of", "change_hold", "keys_of", "post", "take_back"]

PROGRAMMES_MAX = 100
"""Points programmes a customer takes part in at most, so that the customer's row stays small."""


def keys_of(partition: int, customer_id: str, programme_id: str) -> list[Key[PointsAccount]]:
    """Return the two accounts that a posting changes: the customer's and the issuer's."""
    holders = (customer_id, ISSUER)
    return [PointsAccount.key_of(partition, holder, programme_id) for holder in holders]


def account_of(draft: Draft, customer: Customer, programme_id: str) -> PointsAccount:
    """Return the customer's account, an empty one if there is none yet."""
    keys = keys_of(customer.partition, customer.customer_id, programme_id)
    draft.fetch(*keys)
    return draft.get(keys[0]) or PointsAccount(
        partition=customer.partition,
        holder_id=customer.customer_id,
        programme_id=programme_id,
        login_name=customer.login_name,
    )


def change_hold(draft: Draft, account: PointsAccount, points: int) -> None:
    """Hold more points (or fewer, if negative) for a process."""
    held = account.held + points
    assert 0 <= held <= account.balance, "holds never exceed the balance"
    draft.put(msgspec.structs.replace(account, held=held))


def post(draft: Draft, customer: Customer, programme_id: str, points: int) -> Posting:
    """Move points from the issuer to the customer, or back if negative."""
    account = account_of(draft, customer, programme_id)
    balance = account.balance + points
    assert account.held <= balance, "a posting never touches what is held"
    draft.put(msgspec.structs.replace(account, balance=balance, version=account.version + 1))
    _balance_issuer(draft, customer.partition, programme_id, -points)
    _remember_programme(draft, customer, programme_id)
    return Posting(programme_id=programme_id, points=points, balance_after=balance)


def take_back(
    draft: Draft, customer: Customer, programme_id: str, points: int
) -> tuple[Posting, int]:
    """Take points back as far as they are free; return the posting and what stays owed.

    What is owed is written into the account as a debt.
    """
    account = account_of(draft, customer, programme_id)
    taken = min(points, account.available)
    owed = points - taken
    if owed:
        draft.put(msgspec.structs.replace(account, debt=account.debt + owed))
    return post(draft, customer, programme_id, -taken), owed


def _balance_issuer(draft: Draft, partition: int, programme_id: str, points: int) -> None:
    issuer = draft.get(PointsAccount.key_of(partition, ISSUER, programme_id))
    issuer = issuer or PointsAccount(
        partition=partition, holder_id=ISSUER, programme_id=programme_id
    )
    draft.put(
        msgspec.structs.replace(issuer, balance=issuer.balance + points, version=issuer.version + 1)
    )


def _remember_programme(draft: Draft, customer: Customer, programme_id: str) -> None:
    current = draft.get(customer.key) or customer
    if programme_id not in current.programme_ids:
        programme_ids = (*current.programme_ids, programme_id)
        draft.put(msgspec.structs.replace(current, programme_ids=programme_ids))
