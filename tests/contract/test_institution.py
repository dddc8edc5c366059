"""The server's client against the simulator over a real connection: each answer, each silence."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tallymark_institution.magic_amounts import MAGIC, MAGIC_PREFIX
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)

from .institution_fixtures import Trial, trial

CARD_NUMBER = "4111111111111111"

NEVER_SEEN = AuthorisationLookup(state=AuthorisationState.NEVER_SEEN)
UNKNOWN = AuthorisationLookup(state=AuthorisationState.UNKNOWN)


@pytest.fixture
async def institution() -> AsyncIterator[Trial]:
    async with trial() as running:
        yield running


async def test_an_ordinary_amount_is_approved(institution: Trial) -> None:
    result = await institution.authorise(1250)

    assert result.answer is AuthorisationAnswer.APPROVED
    assert result.approved_minor_units == 1250
    assert len(result.authorisation_code) == 6
    assert await institution.find() == AuthorisationLookup(
        state=AuthorisationState.DECIDED, result=result
    )


DECLINES = {
    7705: AuthorisationAnswer.NOT_HONOURED,
    7741: AuthorisationAnswer.CARD_BLOCKED,
    7743: AuthorisationAnswer.CARD_BLOCKED,
    7751: AuthorisationAnswer.INSUFFICIENT_FUNDS,
    7754: AuthorisationAnswer.CARD_EXPIRED,
    7759: AuthorisationAnswer.SUSPECTED_FRAUD,
    7762: AuthorisationAnswer.CARD_BLOCKED,
}


@pytest.mark.parametrize(("minor_units", "answer"), DECLINES.items())
async def test_a_decline_says_why(
    institution: Trial, minor_units: int, answer: AuthorisationAnswer
) -> None:
    result = await institution.authorise(minor_units)

    assert result == AuthorisationResult(answer=answer)
    assert await institution.capture() is CaptureResult.REFUSED
    assert await institution.reverse() is ReversalResult.REVERSED


async def test_a_partial_approval_is_a_result_of_its_own(institution: Trial) -> None:
    result = await institution.authorise(7710)

    assert result.answer is AuthorisationAnswer.PARTIALLY_APPROVED
    assert result.answer.holds_money
    assert result.approved_minor_units == 3855
    assert await institution.reverse() is ReversalResult.REVERSED


async def test_a_late_answer_is_unknown_until_it_comes(institution: Trial) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(institution.authorise(7768))
        await institution.clock.somebody_waits.wait()

        before = await institution.find()
        institution.clock.advance(8)

    assert before == UNKNOWN
    assert asking.result().answer is AuthorisationAnswer.APPROVED


async def test_a_late_decision_falls_though_the_caller_has_gone(institution: Trial) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(institution.authorise(7768))
        await institution.clock.somebody_waits.wait()
        asking.cancel()

    institution.clock.advance(8)

    found = await institution.find()
    assert found.state is AuthorisationState.DECIDED


async def test_no_answer_within_the_deadline_is_silence(institution: Trial) -> None:
    with pytest.raises(InstitutionSilent, match="DEADLINE_EXCEEDED"):
        await institution.authorise(7792, deadline_seconds=0.05)


async def test_what_is_never_decided_can_be_reversed(institution: Trial) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(institution.authorise(7792))
        await institution.clock.somebody_waits.wait()
        institution.clock.advance(10**6)
        before = await institution.find()
        asking.cancel()

    reversal = await institution.reverse()

    assert before == UNKNOWN
    assert reversal is ReversalResult.REVERSED
    late = await institution.authorise(7792)
    assert late.answer is AuthorisationAnswer.REVERSED_BEFORE


async def test_a_swallowed_reply_is_found_again(institution: Trial) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(institution.authorise(7795))
        await institution.clock.somebody_waits.wait()
        asking.cancel()

    found = await institution.find()

    assert found.state is AuthorisationState.DECIDED
    assert await institution.authorise(7795) == found.result


async def test_a_broken_reply_is_silence_and_is_found_again(institution: Trial) -> None:
    with pytest.raises(InstitutionSilent, match="UNAVAILABLE"):
        await institution.authorise(7796)

    found = await institution.find()

    assert found.state is AuthorisationState.DECIDED
    assert await institution.authorise(7796) == found.result


async def test_a_try_that_was_turned_away_was_never_seen(institution: Trial) -> None:
    with pytest.raises(InstitutionSilent, match="UNAVAILABLE"):
        await institution.authorise(7791)

    before = await institution.find()
    captured_before = await institution.capture()
    second = await institution.authorise(7791)

    assert before == NEVER_SEEN
    assert captured_before is CaptureResult.NEVER_SEEN
    assert second.answer is AuthorisationAnswer.APPROVED


async def test_a_refused_capture_leaves_the_amount_held(institution: Trial) -> None:
    await institution.authorise(7771)

    assert await institution.capture() is CaptureResult.REFUSED
    assert (await institution.find()).state is AuthorisationState.DECIDED
    assert await institution.reverse() is ReversalResult.REVERSED


async def test_the_sixth_reversal_works(institution: Trial) -> None:
    await institution.authorise(7775)

    for _ in range(5):
        with pytest.raises(InstitutionSilent, match="UNAVAILABLE"):
            await institution.reverse()
        assert (await institution.find()).state is AuthorisationState.DECIDED

    assert await institution.reverse() is ReversalResult.REVERSED
    assert (await institution.find()).state is AuthorisationState.REVERSED


async def test_a_refused_reversal_is_told_from_silence(institution: Trial) -> None:
    await institution.authorise(7779)

    assert await institution.reverse() is ReversalResult.REFUSED


def test_every_magic_amount_is_tried_here() -> None:
    tried = {*DECLINES, 7710, 7768, 7771, 7775, 7779, 7791, 7792, 7795, 7796}

    assert tried == {MAGIC_PREFIX * 100 + magic.code for magic in MAGIC}
