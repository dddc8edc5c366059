"""What a credit institution can say about a card and an authorisation, and how it can be silent.

    InstitutionSilent          nobody knows what became of the call: look up, repeat or reverse it
    └── InstitutionDisagrees   the same, but repeating may not help: one side breaks the contract
    InstitutionUnavailable     a card could not be registered now; nothing is held, try again
    CardRejected               the institution does not accept the card, finally

Silence is never a decline: the amount may be held.
"""

from enum import StrEnum

from tallymark_server.domain.money import Money
from tallymark_server.domain.value import Value

__all__ = [
    "AuthorisationAnswer",
    "AuthorisationLookup",
    "AuthorisationResult",
    "AuthorisationState",
    "CaptureResult",
    "CardRejected",
    "InstitutionDisagrees",
    "InstitutionSilent",
    "InstitutionUnavailable",
    "ListedAuthorisation",
    "RegisteredCard",
    "ReversalResult",
]


class AuthorisationAnswer(StrEnum):
    """The institution's answer to the question whether a card will pay."""

    APPROVED = "APPROVED"
    """The whole amount is held."""
    PARTIALLY_APPROVED = "PARTIALLY_APPROVED"
    """A part is held, until it is reversed."""
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    CARD_EXPIRED = "CARD_EXPIRED"
    CARD_BLOCKED = "CARD_BLOCKED"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    NOT_HONOURED = "NOT_HONOURED"
    """Declined without a reason, or with one that this version does not know."""
    REVERSED_BEFORE = "REVERSED_BEFORE"
    """Declined, because its reversal arrived first."""

    @property
    def holds_money(self) -> bool:
        """True if an amount is held, so that it must be captured or reversed."""
        return self in {AuthorisationAnswer.APPROVED, AuthorisationAnswer.PARTIALLY_APPROVED}


class AuthorisationResult(Value, frozen=True, kw_only=True):
    """An answer, with what is held and the code for the receipt: 0 and empty if nothing is held."""

    answer: AuthorisationAnswer
    approved_minor_units: int = 0
    authorisation_code: str = ""


class AuthorisationState(StrEnum):
    """Where an authorisation stands at the institution."""

    NEVER_SEEN = "NEVER_SEEN"
    """The institution has no such authorisation; it may still be on its way."""
    UNKNOWN = "UNKNOWN"
    """It has arrived and is not decided."""
    DECIDED = "DECIDED"
    CAPTURED = "CAPTURED"
    REVERSED = "REVERSED"


class AuthorisationLookup(Value, frozen=True, kw_only=True):
    """What the institution knows of an authorisation; `result` is there once it was decided."""

    state: AuthorisationState
    result: AuthorisationResult | None = None

    @property
    def may_hold_money(self) -> bool:
        """True if an amount is held or taken, or may yet be: it is not decided."""
        if self.state in {AuthorisationState.DECIDED, AuthorisationState.CAPTURED}:
            return self.result is not None and self.result.answer.holds_money
        return self.state is AuthorisationState.UNKNOWN


class ListedAuthorisation(Value, frozen=True, kw_only=True):
    """A line of the institution's own list: how an authorisation stands, and what it amounts to."""

    authorisation_id: str
    state: AuthorisationState
    amount: Money | None
    """What is held (DECIDED) or taken (CAPTURED); None for nothing."""

    arrived_at: int
    """Milliseconds since 1970, by the institution's clock."""


class CaptureResult(StrEnum):
    """What became of taking the held amount."""

    CAPTURED = "CAPTURED"
    REFUSED = "REFUSED"
    """Finally; a person must look at it."""
    NEVER_SEEN = "NEVER_SEEN"


class ReversalResult(StrEnum):
    """What became of releasing the held amount, or of returning the captured one."""

    REVERSED = "REVERSED"
    NEVER_SEEN = "NEVER_SEEN"
    """Nothing is held, and an authorisation with this id that still arrives is to be declined.

    Not every institution keeps that promise, so it is looked up again later.
    """
    REFUSED = "REFUSED"
    """Finally; a person must look at it."""


class RegisteredCard(Value, frozen=True, kw_only=True):
    """What is kept of a card: the institution's token for it, its brand and last four digits."""

    token: str
    brand: str
    last_four: str

    def __repr__(self) -> str:
        """Show all but the token, which can be charged."""
        return f"RegisteredCard(brand={self.brand!r}, last_four={self.last_four!r})"


class InstitutionSilent(Exception):
    """The outcome of a call is unknown: no answer, or a broken connection."""


class InstitutionDisagrees(InstitutionSilent):
    """The institution rejects the call itself, or its answer breaks the contract."""


class InstitutionUnavailable(Exception):
    """The institution cannot register a card now. Repeat it with the same request_id."""


class CardRejected(Exception):
    """The institution does not accept this card."""
