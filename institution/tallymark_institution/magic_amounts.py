"""The amounts that make the simulator do something else than approve.

Magic is in the last four digits of the minor units: 77, then a code of two digits. 77.51 EUR and
1,077.51 EUR are both declined with code 51. Codes below 70 and above 90 are, where one fits, the
response codes of ISO 8583; the codes from 70 to 79 are about what comes after an approval.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from tallymark_institution.authorisation import Outcome

__all__ = ["MAGIC", "MAGIC_PREFIX", "REVERSAL_FAILURES", "Magic", "Quirk", "magic_of"]

MAGIC_PREFIX: Final = 77
"""Unlike 99, not where prices end."""

REVERSAL_FAILURES: Final = 5
"""One less than the six tries of design section 4: the last one works."""


class Quirk(StrEnum):
    """What goes wrong apart from the outcome."""

    NONE = "NONE"
    SLOW = "SLOW"
    NEVER_DECIDED = "NEVER_DECIDED"
    TURNED_AWAY_ONCE = "TURNED_AWAY_ONCE"
    REPLY_SWALLOWED = "REPLY_SWALLOWED"
    REPLY_BROKEN = "REPLY_BROKEN"
    CAPTURE_REFUSED = "CAPTURE_REFUSED"
    REVERSAL_FAILS = "REVERSAL_FAILS"
    REVERSAL_REFUSED = "REVERSAL_REFUSED"


class Magic(NamedTuple):
    """What one code stands for."""

    code: int
    outcome: Outcome
    quirk: Quirk
    sentence: str


ORDINARY: Final = Magic(0, Outcome.APPROVED, Quirk.NONE, "Approved")

MAGIC: Final = (
    Magic(5, Outcome.NOT_HONOURED, Quirk.NONE, "Declined: not honoured"),
    Magic(10, Outcome.PARTIALLY_APPROVED, Quirk.NONE, "Approved for half of the amount"),
    Magic(41, Outcome.CARD_BLOCKED, Quirk.NONE, "Declined: card blocked (lost)"),
    Magic(43, Outcome.CARD_BLOCKED, Quirk.NONE, "Declined: card blocked (stolen)"),
    Magic(51, Outcome.INSUFFICIENT_FUNDS, Quirk.NONE, "Declined: insufficient funds"),
    Magic(54, Outcome.CARD_EXPIRED, Quirk.NONE, "Declined: card expired"),
    Magic(59, Outcome.SUSPECTED_FRAUD, Quirk.NONE, "Declined: suspected fraud"),
    Magic(62, Outcome.CARD_BLOCKED, Quirk.NONE, "Declined: card blocked (restricted)"),
    Magic(68, Outcome.APPROVED, Quirk.SLOW, "Approved, but late"),
    Magic(71, Outcome.APPROVED, Quirk.CAPTURE_REFUSED, "Approved; the capture is refused"),
    Magic(
        75,
        Outcome.APPROVED,
        Quirk.REVERSAL_FAILS,
        "Approved; the first 5 reversals fail with UNAVAILABLE",
    ),
    Magic(79, Outcome.APPROVED, Quirk.REVERSAL_REFUSED, "Approved; the reversal is refused"),
    Magic(
        91,
        Outcome.APPROVED,
        Quirk.TURNED_AWAY_ONCE,
        "Nothing is recorded, UNAVAILABLE; the second try is approved",
    ),
    Magic(92, Outcome.APPROVED, Quirk.NEVER_DECIDED, "Never decided, never answered"),
    Magic(
        95,
        Outcome.APPROVED,
        Quirk.REPLY_SWALLOWED,
        "Approved and recorded, but no answer comes; a second try is answered",
    ),
    Magic(
        96,
        Outcome.APPROVED,
        Quirk.REPLY_BROKEN,
        "Approved and recorded, but UNAVAILABLE; a second try is answered",
    ),
)

_BY_LAST_FOUR_DIGITS: Final = {MAGIC_PREFIX * 100 + magic.code: magic for magic in MAGIC}


def magic_of(minor_units: int) -> Magic:
    """Return what this amount does."""
    return _BY_LAST_FOUR_DIGITS.get(minor_units % 10_000, ORDINARY)
