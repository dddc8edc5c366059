"""The amounts that make the host do something else than approve.

Like those of the simulated institution: the last four digits of the minor units are 77, then a
code. Where one fits, the code is the response code of ISO 8583 that the host answers with.
"""

from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["FAULTS", "MAGIC_PREFIX", "Fault", "Quirk", "fault_of"]

MAGIC_PREFIX: Final = 77


class Quirk(StrEnum):
    """What goes wrong apart from the response code."""

    NONE = "NONE"
    LATE = "LATE"
    CAPTURE_REFUSED = "CAPTURE_REFUSED"
    CAPTURE_ANSWER_LOST = "CAPTURE_ANSWER_LOST"
    REVERSAL_ANSWERS_LOST = "REVERSAL_ANSWERS_LOST"
    REVERSAL_PUT_OFF = "REVERSAL_PUT_OFF"
    REVERSAL_REFUSED = "REVERSAL_REFUSED"
    ANSWERED_TWICE = "ANSWERED_TWICE"
    CUT_AFTER_ANSWER = "CUT_AFTER_ANSWER"
    CUT_BEFORE_ANSWER = "CUT_BEFORE_ANSWER"
    CROSSED = "CROSSED"
    CHANGES_ITS_MIND = "CHANGES_ITS_MIND"
    OTHER_AMOUNT = "OTHER_AMOUNT"
    GARBAGE = "GARBAGE"
    NEVER_DECIDED = "NEVER_DECIDED"
    ANSWER_LOST = "ANSWER_LOST"


class Fault(NamedTuple):
    """What one code stands for."""

    code: int
    response_code: str
    quirk: Quirk
    sentence: str


_ORDINARY: Final = Fault(0, "00", Quirk.NONE, "Approved")

FAULTS: Final = (
    *(
        Fault(int(code), code, Quirk.NONE, f"Declined with {code}: {why}")
        for code, why in (
            ("05", "not honoured"),
            ("41", "lost card"),
            ("43", "stolen card"),
            ("51", "insufficient funds"),
            ("54", "expired card"),
            ("59", "suspected fraud"),
            ("62", "restricted card"),
            ("91", "issuer inoperative"),
        )
    ),
    Fault(10, "10", Quirk.NONE, "Approved for half of the amount"),
    Fault(68, "00", Quirk.LATE, "Approved, but answered late"),
    Fault(71, "00", Quirk.CAPTURE_REFUSED, "Approved; the capture is refused"),
    Fault(72, "00", Quirk.CAPTURE_ANSWER_LOST, "Approved; the first capture has no answer"),
    Fault(
        75, "00", Quirk.REVERSAL_ANSWERS_LOST, "Approved; the first two reversals have no answer"
    ),
    Fault(76, "00", Quirk.REVERSAL_PUT_OFF, "Approved; the first reversal is answered with 91"),
    Fault(79, "00", Quirk.REVERSAL_REFUSED, "Approved; the reversal is refused"),
    Fault(80, "00", Quirk.ANSWERED_TWICE, "Approved, answered twice"),
    Fault(81, "00", Quirk.CUT_AFTER_ANSWER, "Approved and answered, then the line is cut"),
    Fault(82, "00", Quirk.CUT_BEFORE_ANSWER, "Approved, but the line is cut before the answer"),
    Fault(
        83,
        "00",
        Quirk.CROSSED,
        "Set aside; approved when the reversal has been answered with 25",
    ),
    Fault(84, "00", Quirk.CHANGES_ITS_MIND, "Declined with 05, then approved"),
    Fault(85, "00", Quirk.OTHER_AMOUNT, "Approved for another amount, with 00"),
    Fault(86, "00", Quirk.GARBAGE, "Approved, but the answer is no message"),
    Fault(92, "00", Quirk.NEVER_DECIDED, "Neither decided nor answered"),
    Fault(95, "00", Quirk.ANSWER_LOST, "Approved, but no answer comes"),
)

_BY_LAST_FOUR_DIGITS: Final = {MAGIC_PREFIX * 100 + fault.code: fault for fault in FAULTS}


def fault_of(minor_units: int) -> Fault:
    """Return what this amount does."""
    return _BY_LAST_FOUR_DIGITS.get(minor_units % 10_000, _ORDINARY)
