"""What the response codes of ISO 8583:1987 (field 39) mean here."""

from typing import Final

from tallymark_institution.authorisation import Outcome

__all__ = [
    "APPROVED",
    "DUPLICATE",
    "FORMAT_ERROR",
    "NO_ANSWER_IN_TIME",
    "PARTIALLY_APPROVED",
    "UNABLE_TO_LOCATE",
    "is_put_off",
    "is_undecided",
    "outcome_of",
]

APPROVED: Final = "00"
PARTIALLY_APPROVED: Final = "10"
UNABLE_TO_LOCATE: Final = "25"
FORMAT_ERROR: Final = "30"
NO_ANSWER_IN_TIME: Final = "68"
DUPLICATE: Final = "94"

_OUTCOMES: Final = {
    APPROVED: Outcome.APPROVED,
    "08": Outcome.APPROVED,  # honour with identification
    "11": Outcome.APPROVED,  # approved, very important person
    PARTIALLY_APPROVED: Outcome.PARTIALLY_APPROVED,
    "51": Outcome.INSUFFICIENT_FUNDS,
    "61": Outcome.INSUFFICIENT_FUNDS,  # exceeds the amount limit
    "65": Outcome.INSUFFICIENT_FUNDS,  # exceeds the frequency limit
    "33": Outcome.CARD_EXPIRED,  # expired, pick up
    "54": Outcome.CARD_EXPIRED,
    "04": Outcome.CARD_BLOCKED,  # pick up
    "07": Outcome.CARD_BLOCKED,  # pick up, special condition
    "36": Outcome.CARD_BLOCKED,  # restricted, pick up
    "41": Outcome.CARD_BLOCKED,  # lost
    "43": Outcome.CARD_BLOCKED,  # stolen
    "62": Outcome.CARD_BLOCKED,  # restricted
    "67": Outcome.CARD_BLOCKED,  # hard capture
    "34": Outcome.SUSPECTED_FRAUD,  # suspected fraud, pick up
    "59": Outcome.SUSPECTED_FRAUD,
    "63": Outcome.SUSPECTED_FRAUD,  # security violation
}
"""Every other code declines without a reason of ours."""

_UNDECIDED: Final = frozenset({"09", NO_ANSWER_IN_TIME, DUPLICATE})
"""In progress, received too late, seen already: whether something is held, they do not say."""

_PUT_OFF: Final = frozenset({"09", "19", NO_ANSWER_IN_TIME, "90", "91", "92", "95", "96"})
"""An advice that is answered with one of these is given again later."""


def outcome_of(code: str) -> Outcome:
    """Return what a response code says of an authorisation that it decides."""
    return _OUTCOMES.get(code, Outcome.NOT_HONOURED)


def is_undecided(code: str) -> bool:
    """Tell whether an answer with this code leaves open what became of an authorisation."""
    return code in _UNDECIDED


def is_put_off(code: str) -> bool:
    """Tell whether the host took no notice of an advice now, but may later."""
    return code in _PUT_OFF
