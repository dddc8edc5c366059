"""What the gateway remembers of one authorisation, and of the messages it sends about it."""

import datetime as dt
from enum import StrEnum
from typing import Final

import msgspec

from tallymark_institution.authorisation import AuthorisationRequest, Verdict

__all__ = ["Authorisation", "Errand", "ErrandKind", "ErrandResult", "Question", "Trace"]

_TRACE_NUMBERS: Final = 999_999
"""Field 11 has six digits; 000000 is left out."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What a message and its answer are matched by: fields 7, 11 and 37."""

    sent_at: int
    """When the message was made, in seconds since 1970."""
    number: str
    """System trace audit number, six digits."""
    reference: str
    """Retrieval reference number, twelve digits: the same in all messages about one charge."""

    @classmethod
    def new(cls, *, serial: int, now: float, reference: str = "") -> "Trace":
        """Return the trace of message number `serial`; without a reference it begins a charge.

        The reference is the day, the hour and the trace number: the last digit of the year, the day
        in the year (3), the hour (2), the number (6).
        """
        number = f"{serial % _TRACE_NUMBERS + 1:06}"
        if not reference:
            at = dt.datetime.fromtimestamp(int(now), tz=dt.UTC)
            reference = f"{at.year % 10}{at:%j%H}{number}"
        return cls(sent_at=int(now), number=number, reference=reference)

    @property
    def transmitted(self) -> str:
        """Transmission date and time, MMDDhhmmss, in UTC."""
        return f"{dt.datetime.fromtimestamp(self.sent_at, tz=dt.UTC):%m%d%H%M%S}"


class Question(AuthorisationRequest, frozen=True, kw_only=True):
    """A question as it arrived; of the card it has only the key of its place in the vault."""

    card_key: str
    merchant_id: str
    terminal_id: str


class ErrandKind(StrEnum):
    """What the host is told; the values are message types."""

    CAPTURE = "0220"
    """Advice that the held amount is taken."""
    REVERSAL = "0400"
    """Request to take back what was answered."""
    REVERSAL_ADVICE = "0420"
    """Advice that nothing shall be held, whatever the answer was or will be."""


class ErrandResult(StrEnum):
    """What became of telling the host."""

    PENDING = "PENDING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    OVERTAKEN = "OVERTAKEN"
    """A reversal came before the host had acknowledged the capture."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is sent again until the host answers it."""

    kind: ErrandKind
    trace: Trace
    result: ErrandResult = ErrandResult.PENDING
    tries: int = 0
    due_at: float = 0
    """When it is sent next, in seconds since 1970."""
    code: str = ""
    """Response code that ended it."""


class Authorisation(msgspec.Struct, frozen=True, kw_only=True):
    """One authorisation, or the mark that a reversal leaves of one that has not arrived."""

    authorisation_id: str
    question: Question | None = None
    """None only in the mark of an early reversal."""
    arrived_at: float
    """When the question came first, or the reversal that left the mark; seconds since 1970."""
    trace: Trace | None = None
    """Of the 0100; None if the host was never asked."""
    verdict: Verdict | None = None
    """What the caller is told, None while nobody knows."""
    has_late_approval: bool = False
    """True if an approval came when the caller had been told otherwise; it is reversed."""
    gives_up_at: float = 0
    """When an unanswered question is reversed, in seconds since 1970."""
    capture: Errand | None = None
    reversal: Errand | None = None

    @property
    def errand(self) -> Errand | None:
        """The message that the host is still to acknowledge."""
        for errand in (self.reversal, self.capture):
            if errand is not None and errand.result is ErrandResult.PENDING:
                return errand
        return None

    @property
    def is_unanswered(self) -> bool:
        """True while the host was asked, and neither it nor the clock has decided."""
        return self.trace is not None and self.verdict is None and self.reversal is None
