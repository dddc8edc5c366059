"""What the simulator remembers of one authorisation."""

from enum import StrEnum

import msgspec

__all__ = ["Authorisation", "AuthorisationRequest", "Outcome", "Reversal", "State", "Verdict"]


class Outcome(StrEnum):
    """What was decided: approved, or the reason of the decline."""

    APPROVED = "APPROVED"
    PARTIALLY_APPROVED = "PARTIALLY_APPROVED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    CARD_EXPIRED = "CARD_EXPIRED"
    CARD_BLOCKED = "CARD_BLOCKED"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    NOT_HONOURED = "NOT_HONOURED"
    REVERSED_BEFORE = "REVERSED_BEFORE"

    @property
    def holds_money(self) -> bool:
        """True if an amount is held."""
        return self in {Outcome.APPROVED, Outcome.PARTIALLY_APPROVED}


class State(StrEnum):
    """Where an authorisation stands."""

    TURNED_AWAY = "TURNED_AWAY"
    """The only tries so far were answered UNAVAILABLE: nothing has arrived, for all the world."""
    UNDECIDED = "UNDECIDED"
    DECIDED = "DECIDED"
    CAPTURED = "CAPTURED"
    REVERSED = "REVERSED"


class Reversal(StrEnum):
    """What the last try of a reversal came to; all but UNAVAILABLE stay."""

    UNAVAILABLE = "UNAVAILABLE"
    REVERSED = "REVERSED"
    NEVER_SEEN = "NEVER_SEEN"
    REFUSED = "REFUSED"


class AuthorisationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it arrived."""

    authorisation_id: str
    currency_code: str
    minor_units: int
    fingerprint: str
    """Hash of the whole body, which tells a repeated question from another one."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question, the same each time that it is given."""

    outcome: Outcome
    approved_minor_units: int = 0
    authorisation_code: str = ""


class Authorisation(msgspec.Struct, frozen=True, kw_only=True, tag="authorisation"):
    """One authorisation, or the mark that a reversal leaves of one that has not arrived."""

    authorisation_id: str
    state: State
    request: AuthorisationRequest | None = None
    """None only in the mark of an early reversal."""
    arrived_at: float = 0.0
    """When the question came first, or the reversal that left the mark; seconds since 1970."""
    verdict: Verdict | None = None
    decides_at: float | None = None
    """When an undecided one is decided, in seconds since 1970; None for never."""
    tries: int = 0
    """How often the question has come, the times it was turned away included."""
    reversal: Reversal | None = None
    reversal_tries: int = 0
