"""The rules of the simulator, without a network and without waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_institution.authorisation import (
    Authorisation,
    AuthorisationRequest,
    Outcome,
    Reversal,
    State,
)
from tallymark_institution.magic_amounts import MAGIC, MAGIC_PREFIX, Magic
from tallymark_institution.simulator import IdReused, arrive, capture, reverse, settle

NOW = 1_800_000_000.0
SLOW_SECONDS = 8.0
ORDINARY_AMOUNT = 1250


def request_over(minor_units: int, *, fingerprint: str = "body") -> AuthorisationRequest:
    return AuthorisationRequest(
        authorisation_id="a1",
        currency_code="EUR",
        minor_units=minor_units,
        fingerprint=fingerprint,
    )


def arrived(
    minor_units: int, known: Authorisation | None = None, *, now: float = NOW
) -> Authorisation:
    return arrive(known, request_over(minor_units), now=now, slow_seconds=SLOW_SECONDS)


def reversed_after(known: Authorisation | None) -> Authorisation:
    return reverse(known, authorisation_id="a1", now=NOW)


def test_an_ordinary_amount_is_approved_as_a_whole() -> None:
    known = arrived(ORDINARY_AMOUNT)

    assert known.state is State.DECIDED
    assert known.verdict is not None
    assert known.verdict.outcome is Outcome.APPROVED
    assert known.verdict.approved_minor_units == ORDINARY_AMOUNT
    assert len(known.verdict.authorisation_code) == 6


def test_a_partial_approval_is_over_half_of_the_amount() -> None:
    known = arrived(107_710)

    assert known.verdict is not None
    assert known.verdict.outcome is Outcome.PARTIALLY_APPROVED
    assert known.verdict.approved_minor_units == 53_855


def test_a_decline_holds_nothing_and_has_no_code() -> None:
    known = arrived(7751)

    assert known.verdict is not None
    assert known.verdict.outcome is Outcome.INSUFFICIENT_FUNDS
    assert known.verdict.approved_minor_units == 0
    assert known.verdict.authorisation_code == ""


@pytest.mark.parametrize("magic", MAGIC, ids=lambda magic: str(magic.code))
def test_a_repeated_question_keeps_its_answer(magic: Magic) -> None:
    amount = MAGIC_PREFIX * 100 + magic.code
    first = arrived(amount)

    second = arrived(amount, first)

    assert second.tries == 2
    assert first.verdict in {None, second.verdict}


def test_another_body_under_the_same_id_is_refused() -> None:
    known = arrived(ORDINARY_AMOUNT)

    other = request_over(ORDINARY_AMOUNT, fingerprint="other body")

    with pytest.raises(IdReused):
        arrive(known, other, now=NOW, slow_seconds=SLOW_SECONDS)


def test_a_slow_one_is_decided_at_its_time_and_not_before() -> None:
    known = arrived(7768)

    just_before = settle(known, now=NOW + SLOW_SECONDS - 0.001)
    on_time = settle(known, now=NOW + SLOW_SECONDS)

    assert just_before.state is State.UNDECIDED
    assert on_time.state is State.DECIDED


def test_a_second_try_does_not_put_off_the_decision() -> None:
    known = arrived(7768)

    second = arrived(7768, known, now=NOW + SLOW_SECONDS)

    assert second.state is State.DECIDED


def test_some_are_never_decided() -> None:
    known = arrived(7792)

    assert settle(known, now=NOW * 1000).state is State.UNDECIDED


def test_a_question_that_was_turned_away_has_not_arrived() -> None:
    known = arrived(7791)

    assert known.state is State.TURNED_AWAY
    assert arrived(7791, known).state is State.DECIDED


def test_reversing_one_that_was_turned_away_declines_its_second_try() -> None:
    mark = reversed_after(arrived(7791))

    late = arrived(7791, mark)

    assert mark.reversal is Reversal.NEVER_SEEN
    assert late.verdict is not None
    assert late.verdict.outcome is Outcome.REVERSED_BEFORE


def test_reversing_an_unseen_id_leaves_a_mark_that_declines_a_late_question() -> None:
    mark = reversed_after(None)

    late = arrived(ORDINARY_AMOUNT, mark)

    assert mark.reversal is Reversal.NEVER_SEEN
    assert late.state is State.REVERSED
    assert late.verdict is not None
    assert late.verdict.outcome is Outcome.REVERSED_BEFORE
    assert reversed_after(late).reversal is Reversal.NEVER_SEEN


def test_reversing_an_undecided_one_declines_it() -> None:
    known = reversed_after(arrived(7768))

    settled = settle(known, now=NOW + SLOW_SECONDS)

    assert settled.reversal is Reversal.REVERSED
    assert settled.verdict is not None
    assert settled.verdict.outcome is Outcome.REVERSED_BEFORE


def test_an_answer_that_was_given_stays_after_the_reversal() -> None:
    known = arrived(ORDINARY_AMOUNT)

    again = arrived(ORDINARY_AMOUNT, reversed_after(known))

    assert again.state is State.REVERSED
    assert again.verdict == known.verdict


def test_a_capture_can_be_repeated_and_then_be_returned() -> None:
    captured = capture(arrived(ORDINARY_AMOUNT))

    assert captured.state is State.CAPTURED
    assert capture(captured) == captured
    assert reversed_after(captured).reversal is Reversal.REVERSED


def test_what_holds_nothing_cannot_be_captured() -> None:
    for known in (
        arrived(7751),
        arrived(7768),
        arrived(7771),
        reversed_after(None),
        reversed_after(arrived(ORDINARY_AMOUNT)),
    ):
        assert capture(known) == known


def test_a_decline_can_be_reversed() -> None:
    assert reversed_after(arrived(7705)).reversal is Reversal.REVERSED


def test_the_sixth_reversal_works_where_five_fail() -> None:
    known = arrived(7775)
    seen = []

    for _ in range(7):
        known = reversed_after(known)
        seen.append(known.reversal)

    assert seen == [Reversal.UNAVAILABLE] * 5 + [Reversal.REVERSED] * 2


def test_a_refused_reversal_stays_refused_and_the_amount_held() -> None:
    known = reversed_after(reversed_after(arrived(7779)))

    assert known.reversal is Reversal.REFUSED
    assert known.state is State.DECIDED


@given(
    minor_units=st.sampled_from([ORDINARY_AMOUNT, *(7700 + magic.code for magic in MAGIC)]),
    steps=st.lists(st.sampled_from(["arrive", "settle", "capture", "reverse"]), max_size=12),
)
def test_no_order_of_calls_holds_money_again_once_it_was_reversed(
    minor_units: int, steps: list[str]
) -> None:
    known: Authorisation | None = None
    verdict = None
    was_reversed = False

    for number, step in enumerate(steps):
        if step == "arrive":
            known = arrived(minor_units, known, now=NOW + number)
        elif step == "reverse":
            known = reversed_after(known)
        elif known is not None:
            known = settle(known, now=NOW + number) if step == "settle" else capture(known)
        was_reversed = was_reversed or (known is not None and known.state is State.REVERSED)
        assert not was_reversed or (known is not None and known.state is State.REVERSED)
        if verdict is not None:
            assert known is not None
            assert known.verdict == verdict
        verdict = known.verdict if known is not None else None
