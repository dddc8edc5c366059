"""The rules of the simulator: pure functions from what is remembered to what is remembered next.

An undecided authorisation carries the time at which it is decided. Whoever looks at it later first
lets it `settle`, so that a decision needs no task of its own and no caller who still waits for it.
"""

import hashlib
from typing import Final

from msgspec.structs import replace

from tallymark_institution.authorisation import (
    Authorisation,
    AuthorisationRequest,
    Outcome,
    Reversal,
    State,
    Verdict,
)
from tallymark_institution.magic_amounts import (
    ORDINARY,
    REVERSAL_FAILURES,
    Magic,
    Quirk,
    magic_of,
)

__all__ = [
    "IdReused",
    "arrive",
    "capture",
    "magic_behind",
    "reverse",
    "settle",
]

_CODE_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters without the ones that are read wrongly from a receipt."""

_CODE_CHARACTERS: Final = 6
"""The length of an approval code in ISO 8583 (field 38)."""

_REVERSED_BEFORE: Final = Verdict(outcome=Outcome.REVERSED_BEFORE)


class IdReused(Exception):
    """An authorisation_id came again with another body."""


def arrive(
    known: Authorisation | None, request: AuthorisationRequest, *, now: float, slow_seconds: float
) -> Authorisation:
    """Take a question in, once however often it comes. Raises IdReused."""
    if known is None:
        known = Authorisation(authorisation_id=request.authorisation_id, state=State.TURNED_AWAY)
    if known.request is not None and known.request.fingerprint != request.fingerprint:
        raise IdReused
    known = replace(known, request=request, tries=known.tries + 1)
    if known.state is not State.TURNED_AWAY:
        return settle(known, now=now)
    quirk = magic_behind(known).quirk
    if quirk is Quirk.TURNED_AWAY_ONCE and known.tries == 1:
        return known
    known = replace(known, arrived_at=now)
    decides_at: float | None = now
    if quirk is Quirk.NEVER_DECIDED:
        decides_at = None
    elif quirk is Quirk.SLOW:
        decides_at = now + slow_seconds
    return settle(replace(known, state=State.UNDECIDED, decides_at=decides_at), now=now)


def settle(known: Authorisation, *, now: float) -> Authorisation:
    """Decide what is to be decided by now."""
    if known.state is not State.UNDECIDED or known.request is None:
        return known
    if known.decides_at is None or known.decides_at > now:
        return known
    return replace(known, state=State.DECIDED, verdict=_verdict(known.request))


def capture(known: Authorisation) -> Authorisation:
    """Take the held amount. One that is not CAPTURED after this is refused, and unchanged."""
    if known.state is not State.DECIDED or known.verdict is None:
        return known
    is_refused = magic_behind(known).quirk is Quirk.CAPTURE_REFUSED
    if is_refused or not known.verdict.outcome.holds_money:
        return known
    return replace(known, state=State.CAPTURED)


def reverse(known: Authorisation | None, *, authorisation_id: str, now: float) -> Authorisation:
    """Release or return the amount, or leave the mark that declines a question still to come.

    A question that is not decided yet will be answered like one that comes too late.
    """
    if known is None or known.state is State.TURNED_AWAY:
        return Authorisation(
            authorisation_id=authorisation_id,
            state=State.REVERSED,
            arrived_at=now,
            verdict=_REVERSED_BEFORE,
            reversal=Reversal.NEVER_SEEN,
        )
    if known.state is State.REVERSED:
        return known
    known = replace(known, reversal_tries=known.reversal_tries + 1)
    quirk = magic_behind(known).quirk
    if quirk is Quirk.REVERSAL_FAILS and known.reversal_tries <= REVERSAL_FAILURES:
        return replace(known, reversal=Reversal.UNAVAILABLE)
    if quirk is Quirk.REVERSAL_REFUSED:
        return replace(known, reversal=Reversal.REFUSED)
    return replace(
        known,
        state=State.REVERSED,
        verdict=known.verdict or _REVERSED_BEFORE,
        reversal=Reversal.REVERSED,
    )


def magic_behind(known: Authorisation) -> Magic:
    """Return what the amount of this authorisation does."""
    return ORDINARY if known.request is None else magic_of(known.request.minor_units)


def _verdict(request: AuthorisationRequest) -> Verdict:
    outcome = magic_of(request.minor_units).outcome
    if not outcome.holds_money:
        return Verdict(outcome=outcome)
    whole = request.minor_units
    return Verdict(
        outcome=outcome,
        approved_minor_units=whole if outcome is Outcome.APPROVED else whole // 2,
        authorisation_code=_authorisation_code(request.authorisation_id),
    )


def _authorisation_code(authorisation_id: str) -> str:
    """Return a code that is the same after a restart without being remembered."""
    digest = hashlib.sha256(authorisation_id.encode()).digest()
    return "".join(_CODE_ALPHABET[byte % 32] for byte in digest[:_CODE_CHARACTERS])
