"""The rules of the gateway: pure functions from what is remembered to what is remembered next.

What is told to the host is first remembered as an `Errand`, then sent, then sent again until the
host acknowledges it. A reversal overtakes a capture, and nothing overtakes a reversal.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from tallymark_institution.authorisation import Outcome, Verdict
from tallymark_institution.iso8583 import response_codes
from tallymark_institution.iso8583.gateway.authorisation import (
    Authorisation,
    Errand,
    ErrandKind,
    ErrandResult,
    Question,
    Trace,
)

__all__ = [
    "REPEAT_SECONDS_MAX",
    "Answer",
    "IdReused",
    "NewTrace",
    "acknowledge",
    "answer",
    "ask",
    "capture",
    "give_up",
    "reverse",
    "send_next",
]

NewTrace: TypeAlias = Callable[[str], Trace]
"""Makes a trace with this reference, or with a new one if it is empty."""

REPEAT_SECONDS_MAX: Final = 60.0
"""Longest wait between two tries of an errand; the first is one second."""

_REVERSED_BEFORE: Final = Verdict(outcome=Outcome.REVERSED_BEFORE)


class IdReused(Exception):
    """An authorisation_id came again with another body."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of a 0110, 0230, 0410 or 0430."""

    kind: str
    transmitted: str
    number: str
    reference: str
    code: str
    minor_units: int = 0
    currency_code: str = ""
    authorisation_code: str = ""

    def is_to(self, trace: Trace | None) -> bool:
        """Tell whether it answers the message with this trace."""
        return trace is not None and (self.transmitted, self.number, self.reference) == (
            trace.transmitted,
            trace.number,
            trace.reference,
        )


def ask(
    known: Authorisation | None,
    question: Question,
    *,
    now: float,
    gives_up_at: float,
    new_trace: NewTrace,
) -> Authorisation:
    """Take a question in, once however often it comes. Raises IdReused."""
    if known is None:
        return Authorisation(
            authorisation_id=question.authorisation_id,
            question=question,
            arrived_at=now,
            trace=new_trace(""),
            gives_up_at=gives_up_at,
        )
    if known.question is None:
        return replace(known, question=question, verdict=_REVERSED_BEFORE)
    if known.question.fingerprint != question.fingerprint:
        raise IdReused
    return known


def answer(known: Authorisation, said: Answer, *, now: float, new_trace: NewTrace) -> Authorisation:
    """Take in a 0110. A duplicate changes nothing; an approval that comes too late is reversed."""
    if not said.is_to(known.trace) or response_codes.is_undecided(said.code):
        return known
    if known.is_unanswered:
        return replace(known, verdict=_verdict(known, said))
    is_told = known.verdict is not None and known.verdict.outcome.holds_money
    outcome = response_codes.outcome_of(said.code)
    if is_told or not outcome.holds_money or known.has_late_approval:
        return known
    # The host may have taken the earlier reversal for one of something that it never saw, and would
    # take the same message for a repeat of that. So this reversal has a trace of its own.
    return _reversed(
        replace(known, has_late_approval=True), ErrandKind.REVERSAL_ADVICE, now=now, new=new_trace
    )


def capture(known: Authorisation, *, now: float, new_trace: NewTrace) -> Authorisation:
    """Have the held amount taken. One without a capture after this is refused, and unchanged."""
    holds = known.verdict is not None and known.verdict.outcome.holds_money
    if not holds or known.capture is not None or known.reversal is not None:
        return known
    assert known.trace is not None, "what holds money was asked for"
    trace = new_trace(known.trace.reference)
    return replace(known, capture=Errand(kind=ErrandKind.CAPTURE, trace=trace, due_at=now))


def reverse(
    known: Authorisation | None, *, authorisation_id: str, now: float, new_trace: NewTrace
) -> Authorisation:
    """Have everything taken back, or leave the mark that declines a question still to come."""
    if known is None:
        return Authorisation(authorisation_id=authorisation_id, arrived_at=now)
    if known.trace is None or known.reversal is not None:
        return known
    if known.verdict is None:
        return _reversed(known, ErrandKind.REVERSAL_ADVICE, now=now, new=new_trace)
    if known.verdict.outcome.holds_money:
        return _reversed(known, ErrandKind.REVERSAL, now=now, new=new_trace)
    # A decline holds nothing, so there is nothing to tell the host.
    done = Errand(kind=ErrandKind.REVERSAL, trace=known.trace, result=ErrandResult.DONE)
    return replace(known, reversal=done)


def acknowledge(known: Authorisation, said: Answer) -> Authorisation:
    """Take in what the host says to an errand. Anything else, and a duplicate, changes nothing."""
    errand = known.errand
    is_its = errand is not None and said.is_to(errand.trace)
    if errand is None or not is_its or response_codes.is_put_off(said.code):
        return known
    accepted = {response_codes.APPROVED}
    if errand.tries > 1:
        accepted.add(response_codes.DUPLICATE)
    if errand.kind is not ErrandKind.CAPTURE:
        # What the host cannot find, it does not hold.
        accepted.add(response_codes.UNABLE_TO_LOCATE)
    result = ErrandResult.DONE if said.code in accepted else ErrandResult.REFUSED
    return _with(known, replace(errand, result=result, code=said.code))


def give_up(known: Authorisation, *, now: float, new_trace: NewTrace) -> Authorisation:
    """Reverse a question that nobody has answered in time."""
    if not known.is_unanswered or known.gives_up_at > now:
        return known
    return _reversed(known, ErrandKind.REVERSAL_ADVICE, now=now, new=new_trace)


def send_next(known: Authorisation, *, now: float) -> Authorisation:
    """Count the try of an errand that is made next, if one is due; the next waits longer."""
    errand = known.errand
    if errand is None or errand.due_at > now:
        return known
    wait_seconds = min(2.0 ** min(errand.tries, 10), REPEAT_SECONDS_MAX)
    return _with(known, replace(errand, tries=errand.tries + 1, due_at=now + wait_seconds))


def _verdict(known: Authorisation, said: Answer) -> Verdict | None:
    """Return what an answer decides, None if it leaves open whether money is held."""
    asked = known.question
    assert asked is not None, "what was answered was asked"
    outcome = response_codes.outcome_of(said.code)
    if not outcome.holds_money:
        return Verdict(outcome=outcome)
    is_whole = said.minor_units == asked.minor_units
    is_part = 0 < said.minor_units < asked.minor_units
    fits = is_part if outcome is Outcome.PARTIALLY_APPROVED else is_whole
    if not fits or said.currency_code != asked.currency_code:
        # Something may be held, but not what was asked for: left open, and so reversed.
        return None
    return Verdict(
        outcome=outcome,
        approved_minor_units=said.minor_units,
        authorisation_code=said.authorisation_code,
    )


def _reversed(
    known: Authorisation, kind: ErrandKind, *, now: float, new: NewTrace
) -> Authorisation:
    assert known.trace is not None, "only what was asked is reversed"
    capture = known.capture
    if capture is not None and capture.result is ErrandResult.PENDING:
        capture = replace(capture, result=ErrandResult.OVERTAKEN)
    errand = Errand(kind=kind, trace=new(known.trace.reference), due_at=now)
    return replace(known, capture=capture, reversal=errand)


def _with(known: Authorisation, errand: Errand) -> Authorisation:
    """Return the authorisation with its pending errand replaced by this one."""
    if errand.kind is ErrandKind.CAPTURE:
        return replace(known, capture=errand)
    return replace(known, reversal=errand)
