"""Guessing of passwords: every try is counted before the password is compared.

A try that is never compared, because the server stops or the caller goes away, stays counted. So no
number of guesses at the same time, and no restart, gets more than FAILURES_MAX passwords compared
between two right ones.
"""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done, RefusedAnswer
from tallymark_server.domain.commands import (
    RequestKey,
    ReservePasswordTry,
    RightPassword,
    UnlockPassword,
)
from tallymark_server.domain.model.passwords import PasswordTries
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Request
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = [
    "FAILURES_MAX",
    "FREE_FAILURES",
    "WAIT_SECONDS_MAX",
    "reserve_try",
    "unlock",
    "use_password",
    "wait_seconds",
]

FAILURES_MAX: Final = 100
"""Wrong passwords in a row after which none is compared: NIST SP 800-63B-4, section 3.2.2."""

FREE_FAILURES: Final = 4
"""Wrong passwords in a row that cost no wait: people mistype."""

WAIT_SECONDS_MAX: Final = 3600
"""Longest wait, as the same section proposes; from the 17th failure on. All 100 take 84 hours."""


def reserve_try(draft: Draft, command: ReservePasswordTry, now: int) -> Done | RefusedAnswer:
    """Count a try, and answer its number since the last right password.

    Whoever sends a decided request again with another password learns that the first one was
    another. So nobody learns it twice: the stored request matches nothing from then on.
    """
    if command.reused is not None:
        _burn(draft, command, command.reused)
    tries = draft.get(PasswordTries.key_of(command.partition, command.customer_id))
    if tries is None:
        tries = PasswordTries(partition=command.partition, customer_id=command.customer_id)
    if tries.failures >= FAILURES_MAX:
        return RefusedAnswer(reason=Reason.PASSWORD_LOCKED)
    if now < tries.wait_until:
        seconds = -((now - tries.wait_until) // 1000)
        return RefusedAnswer(reason=Reason.PASSWORD_WAIT, metadata={"seconds": str(seconds)})
    failures = tries.failures + 1
    wait_until = now + wait_seconds(failures) * 1000
    draft.put(msgspec.structs.replace(tries, failures=failures, wait_until=wait_until))
    return Done(count=failures)


def _burn(draft: Draft, command: ReservePasswordTry, reused: RequestKey) -> None:
    key = Request.key_of(command.partition, reused.request_id, reused.rpc, command.caller.name)
    stored = draft.get(key)
    if stored is not None and stored.fingerprint:
        draft.put(msgspec.structs.replace(stored, fingerprint=""))


def use_password(draft: Draft, partition: int, right: RightPassword) -> None:
    """Forget the tries up to a right one; those after it stay counted, as they may be wrong.

    Raises:
        Refused: PASSWORD_WRONG, when another password was set since the comparison.

    """
    customer = draft.get(Customer.key_of(partition, right.customer_id))
    if customer is None or customer.password_version != right.version:
        raise Refused(Reason.PASSWORD_WRONG)
    if right.new_hash:
        draft.put(msgspec.structs.replace(customer, password_hash=right.new_hash))
    tries = draft.get(PasswordTries.key_of(partition, right.customer_id))
    if tries is None:
        return
    if tries.failures > right.number:
        failures = tries.failures - right.number
        draft.put(msgspec.structs.replace(tries, failures=failures, wait_until=0))
    else:
        draft.delete(tries.key)


def unlock(draft: Draft, command: UnlockPassword) -> Done:
    """Forget all tries, and answer how many there were."""
    tries = draft.get(PasswordTries.key_of(command.partition, command.customer_id))
    if tries is None:
        return Done()
    draft.delete(tries.key)
    return Done(count=tries.failures)


def wait_seconds(failures: int) -> int:
    """Return how long the next try has to wait after so many wrong ones: 0, then 1, 2, 4, 8 ..."""
    if failures <= FREE_FAILURES:
        return 0
    return min(WAIT_SECONDS_MAX, 1 << min(failures - FREE_FAILURES - 1, 20))
