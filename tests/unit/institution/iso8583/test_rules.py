"""The rules of the gateway, as a table of histories and as properties of any history."""

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tallymark_institution.authorisation import Outcome
from tallymark_institution.iso8583.gateway import rules
from tallymark_institution.iso8583.gateway.authorisation import (
    Authorisation,
    ErrandKind,
    ErrandResult,
    Question,
    Trace,
)
from tallymark_institution.iso8583.gateway.rules import Answer

NOW: Final = 1_800_000_000.0
LIMIT_SECONDS: Final = 60.0

QUESTION: Final = Question(
    authorisation_id="a1",
    currency_code="EUR",
    minor_units=1250,
    fingerprint="body",
    card_key="card",
    merchant_id="cafe",
    terminal_id="till-1",
)

ADVICE, REQUEST, CAPTURE = ErrandKind.REVERSAL_ADVICE, ErrandKind.REVERSAL, ErrandKind.CAPTURE


class History:
    """One authorisation, and what happens to it."""

    def __init__(self) -> None:
        self.known: Authorisation | None = None
        self.now = NOW
        self.sent: list[tuple[ErrandKind, str]] = []
        """Kind and trace number of each errand that was sent."""
        self._serial = 0

    @property
    def asked(self) -> Authorisation:
        assert self.known is not None
        return self.known

    def ask(self, question: Question = QUESTION) -> None:
        self.known = rules.ask(
            self.known,
            question,
            now=self.now,
            gives_up_at=self.now + LIMIT_SECONDS,
            new_trace=self.new_trace,
        )

    def hear(self, code: str, minor_units: int = 1250, currency_code: str = "EUR") -> None:
        """Take in a 0110."""
        if self.known is not None and self.known.trace is not None:
            said = _answer("0110", self.known.trace, code, minor_units, currency_code)
            self.known = rules.answer(self.known, said, now=self.now, new_trace=self.new_trace)

    def capture(self) -> None:
        if self.known is not None:
            self.known = rules.capture(self.known, now=self.now, new_trace=self.new_trace)

    def reverse(self) -> None:
        self.known = rules.reverse(
            self.known, authorisation_id="a1", now=self.now, new_trace=self.new_trace
        )

    def send(self) -> None:
        """Send what is due."""
        if self.known is None:
            return
        after = rules.send_next(self.known, now=self.now)
        if after != self.known and after.errand is not None:
            self.sent.append((after.errand.kind, after.errand.trace.number))
        self.known = after

    def pass_time(self, seconds: float = LIMIT_SECONDS) -> None:
        self.now += seconds
        if self.known is not None:
            self.known = rules.give_up(self.known, now=self.now, new_trace=self.new_trace)

    def acknowledge(self, code: str = "00") -> None:
        """Take in the answer to the pending errand."""
        if self.known is not None and self.known.errand is not None:
            said = _answer("", self.known.errand.trace, code)
            self.known = rules.acknowledge(self.known, said)

    def new_trace(self, reference: str) -> Trace:
        self._serial += 1
        return Trace.new(serial=self._serial, now=self.now, reference=reference)


def _answer(
    kind: str, trace: Trace, code: str, minor_units: int = 0, currency_code: str = ""
) -> Answer:
    return Answer(
        kind=kind,
        transmitted=trace.transmitted,
        number=trace.number,
        reference=trace.reference,
        code=code,
        minor_units=minor_units,
        currency_code=currency_code,
    )


@pytest.mark.parametrize(
    ("code", "minor_units", "currency_code", "outcome"),
    [
        ("00", 1250, "EUR", Outcome.APPROVED),
        ("10", 625, "EUR", Outcome.PARTIALLY_APPROVED),
        ("51", 1250, "EUR", Outcome.INSUFFICIENT_FUNDS),
        ("99", 0, "", Outcome.NOT_HONOURED),
        ("00", 1251, "EUR", None),
        ("00", 1250, "USD", None),
        ("00", 0, "", None),
        ("10", 1250, "EUR", None),
        ("10", 0, "EUR", None),
        ("68", 1250, "EUR", None),
        ("94", 1250, "EUR", None),
    ],
)
def test_an_answer_decides_or_leaves_it_open(
    code: str, minor_units: int, currency_code: str, outcome: Outcome | None
) -> None:
    history = History()
    history.ask()

    history.hear(code, minor_units, currency_code)

    verdict = history.asked.verdict
    assert (verdict and verdict.outcome) is outcome
    assert history.asked.is_unanswered is (outcome is None)


@pytest.mark.parametrize("field", ["transmitted", "number", "reference"])
def test_an_answer_to_something_else_decides_nothing(field: str) -> None:
    history = History()
    history.ask()
    assert history.asked.trace is not None
    said = replace(_answer("0110", history.asked.trace, "00", 1250, "EUR"), **{field: "other"})

    after = rules.answer(history.asked, said, now=NOW, new_trace=history.new_trace)

    assert after == history.asked


def test_a_question_with_another_body_is_refused() -> None:
    history = History()
    history.ask()

    with pytest.raises(rules.IdReused):
        history.ask(replace(QUESTION, fingerprint="other body"))


def test_a_question_after_its_reversal_is_declined_and_never_asked() -> None:
    history = History()
    history.reverse()

    history.ask()

    assert history.asked.trace is None
    assert history.asked.verdict is not None
    assert history.asked.verdict.outcome is Outcome.REVERSED_BEFORE


def test_what_nobody_answered_in_time_is_reversed_by_advice() -> None:
    history = History()
    history.ask()

    history.pass_time(LIMIT_SECONDS - 1)
    assert history.asked.reversal is None
    history.pass_time(1)
    history.send()

    assert history.sent == [(ADVICE, "000003")]


def test_an_approval_after_that_is_reversed_again_under_new_numbers() -> None:
    history = History()
    history.ask()
    history.pass_time()
    history.send()
    history.acknowledge("25")

    history.hear("00")
    history.hear("00")
    history.send()

    assert history.sent == [(ADVICE, "000003"), (ADVICE, "000004")]
    assert history.asked.verdict is None


def test_an_approval_after_a_decline_is_reversed_and_the_caller_stays_declined() -> None:
    history = History()
    history.ask()
    history.hear("05")

    history.hear("00")
    history.send()

    assert [kind for kind, _ in history.sent] == [ADVICE]
    assert history.asked.verdict is not None
    assert history.asked.verdict.outcome is Outcome.NOT_HONOURED


def test_even_an_odd_approval_after_the_reversal_is_reversed_again() -> None:
    history = History()
    history.ask()
    history.pass_time()
    history.send()
    history.acknowledge("25")

    history.hear("00", minor_units=99)
    history.send()

    assert len(history.sent) == 2


def test_a_reversal_overtakes_the_capture() -> None:
    history = History()
    history.ask()
    history.hear("00")
    history.capture()
    history.send()

    history.reverse()
    history.send()
    history.pass_time()
    history.send()

    assert [kind for kind, _ in history.sent] == [CAPTURE, REQUEST, REQUEST]
    assert history.asked.capture is not None
    assert history.asked.capture.result is ErrandResult.OVERTAKEN


def test_a_decline_needs_no_reversal_at_the_host() -> None:
    history = History()
    history.ask()
    history.hear("51")

    history.reverse()
    history.send()

    assert history.sent == []
    assert history.asked.reversal is not None
    assert history.asked.reversal.result is ErrandResult.DONE


def test_waits_between_tries_grow_to_a_minute() -> None:
    history = History()
    history.ask()
    history.pass_time()

    waits = []
    for _ in range(9):
        before = history.now
        history.send()
        assert history.asked.errand is not None
        history.now = history.asked.errand.due_at
        waits.append(history.now - before)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len({number for _, number in history.sent}) == 1


@pytest.mark.parametrize(
    ("kind", "code", "tries", "result"),
    [
        (CAPTURE, "00", 1, ErrandResult.DONE),
        (CAPTURE, "94", 2, ErrandResult.DONE),
        (CAPTURE, "94", 1, ErrandResult.REFUSED),
        (CAPTURE, "25", 1, ErrandResult.REFUSED),
        (CAPTURE, "57", 1, ErrandResult.REFUSED),
        (CAPTURE, "91", 1, ErrandResult.PENDING),
        (REQUEST, "00", 1, ErrandResult.DONE),
        (REQUEST, "25", 1, ErrandResult.DONE),
        (REQUEST, "94", 2, ErrandResult.DONE),
        (REQUEST, "21", 1, ErrandResult.REFUSED),
        (REQUEST, "96", 1, ErrandResult.PENDING),
    ],
)
def test_codes_acknowledge_refuse_or_put_off(
    kind: ErrandKind, code: str, tries: int, result: ErrandResult
) -> None:
    history = History()
    history.ask()
    history.hear("00")
    history.capture() if kind is CAPTURE else history.reverse()
    for _ in range(tries):
        history.send()
        history.now += 60

    history.acknowledge(code)

    errand = history.asked.capture if kind is CAPTURE else history.asked.reversal
    assert errand is not None
    assert errand.result is result


STEPS: Final = (
    History.ask,
    History.capture,
    History.reverse,
    History.send,
    History.pass_time,
    History.acknowledge,
    lambda history: history.acknowledge("25"),
    lambda history: history.acknowledge("21"),
    lambda history: history.acknowledge("91"),
    lambda history: history.hear("00"),
    lambda history: history.hear("05"),
    lambda history: history.hear("10", 625),
    lambda history: history.hear("00", 1),
    lambda history: history.hear("68"),
)


@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
def test_whatever_happens_nobody_is_told_two_things_and_no_approval_is_lost(
    steps: list[Callable[[History], None]],
) -> None:
    history = History()
    told = None
    for step in steps:
        before = history.known
        step(history)
        known = history.known
        if known is None:
            continue
        # (1) What was told stays told.
        assert told is None or known.verdict == told
        told = known.verdict
        # (2) Nobody holds money that nobody knows of: an approval that is not told is reversed.
        if known.has_late_approval:
            assert known.reversal is not None
            assert known.reversal.kind is ADVICE
        # (3) A reversal stays.
        if before is not None and before.reversal is not None:
            assert known.reversal is not None
        # (4) Only what holds money is captured, and nothing that is reversed is sent a capture.
        if known.errand is not None and known.errand.kind is CAPTURE:
            assert known.reversal is None
            assert known.verdict is not None
            assert known.verdict.outcome.holds_money
    # (5) In time, everything has an end or an errand.
    history.pass_time()
    assert history.known is None or not history.known.is_unanswered
