"""What an institution remembers: repeated calls, other bodies, unseen ids, captures, cards."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import money_pb2
from tallymark_protocol.errors import Refused, from_call
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    CardRejected,
    InstitutionDisagrees,
    InstitutionSilent,
    ReversalResult,
)

from .institution_fixtures import DEADLINE_SECONDS, Trial, trial

CARD_NUMBER = "4111111111111111"

NEVER_SEEN = AuthorisationLookup(state=AuthorisationState.NEVER_SEEN)
UNKNOWN = AuthorisationLookup(state=AuthorisationState.UNKNOWN)


@pytest.fixture
async def institution() -> AsyncIterator[Trial]:
    async with trial() as running:
        yield running


async def test_the_same_question_has_the_same_answer_byte_for_byte(institution: Trial) -> None:
    request = contract.AuthorizeRequest(
        authorisation_id="a1",
        card_token="sim_token",
        amount=money_pb2.Money(currency_code="EUR", minor_units=7710),
    )

    answers = {
        (await institution.stub.Authorize(request)).SerializeToString(deterministic=True)
        for _ in range(3)
    }

    assert len(answers) == 1


async def test_another_body_under_the_same_id_is_refused(institution: Trial) -> None:
    first = await institution.authorise(1250)

    with pytest.raises(InstitutionDisagrees) as caught:
        await institution.authorise(1251)

    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() is grpc.StatusCode.ALREADY_EXISTS
    assert from_call(cause).reason is Reason.REQUEST_ID_REUSED
    assert (await institution.find()).result == first


async def test_an_unseen_id_is_never_seen(institution: Trial) -> None:
    assert await institution.find() == NEVER_SEEN
    assert await institution.capture() is CaptureResult.NEVER_SEEN


async def test_reversing_an_unseen_id_declines_it_when_it_comes(institution: Trial) -> None:
    assert await institution.reverse() is ReversalResult.NEVER_SEEN
    marked = await institution.find()

    late = await institution.authorise(1250)

    assert marked == AuthorisationLookup(state=AuthorisationState.REVERSED)
    assert late == AuthorisationResult(answer=AuthorisationAnswer.REVERSED_BEFORE)
    assert await institution.reverse() is ReversalResult.NEVER_SEEN
    assert await institution.capture() is CaptureResult.REFUSED


async def test_capture_and_reversal_can_be_repeated(institution: Trial) -> None:
    result = await institution.authorise(1250)

    captures = [await institution.capture() for _ in range(2)]
    captured = await institution.find()
    reversals = [await institution.reverse() for _ in range(2)]

    assert captures == [CaptureResult.CAPTURED] * 2
    assert captured == AuthorisationLookup(state=AuthorisationState.CAPTURED, result=result)
    assert reversals == [ReversalResult.REVERSED] * 2
    assert await institution.find() == AuthorisationLookup(
        state=AuthorisationState.REVERSED, result=result
    )
    assert await institution.capture() is CaptureResult.REFUSED


async def test_authorisations_do_not_disturb_each_other(institution: Trial) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(institution.authorise(1000 + n, authorisation_id=f"a{n}"))
            for n in range(50)
        ]

    assert [each.result().approved_minor_units for each in asking] == list(range(1000, 1050))


async def test_a_card_is_registered_and_its_token_is_stable(institution: Trial) -> None:
    cards = [
        await institution.institution.register_card(
            "r1", CARD_NUMBER, "2030-12", deadline_seconds=DEADLINE_SECONDS
        )
        for _ in range(2)
    ]

    assert cards[0] == cards[1]
    assert (cards[0].brand, cards[0].last_four) == ("VISA", "1111")
    assert cards[0].token not in repr(cards[0])
    assert CARD_NUMBER not in cards[0].token


@pytest.mark.parametrize(
    ("card_number", "expires_on"),
    [
        ("4111111111111112", "2030-12"),
        (CARD_NUMBER, "2026-12"),
        ("4111", "2030-12"),
        (CARD_NUMBER, "2030-13"),
    ],
    ids=["check digit", "over its date", "too short", "no such month"],
)
async def test_a_bad_card_is_rejected_without_naming_it(
    institution: Trial, card_number: str, expires_on: str
) -> None:
    with pytest.raises(CardRejected) as caught:
        await institution.institution.register_card(
            "r1", card_number, expires_on, deadline_seconds=DEADLINE_SECONDS
        )

    cause = caught.value.__cause__
    assert cause is not None
    assert card_number not in f"{caught.value!r} {cause!r} {cause.__cause__!r}"


async def test_a_request_against_the_contract_names_the_field(institution: Trial) -> None:
    request = contract.AuthorizeRequest(
        authorisation_id="a1", card_token="t", amount=money_pb2.Money(currency_code="euro")
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await institution.stub.Authorize(request)

    error = from_call(caught.value)
    assert isinstance(error, Refused)
    assert error.reason is Reason.REQUEST_INVALID
    assert [field for field, _ in error.violations] == ["amount.currency_code"]
    assert await institution.find() == NEVER_SEEN


async def test_each_call_is_told_in_a_line_without_token_or_control_characters(
    institution: Trial,
) -> None:
    await institution.authorise(7751, authorisation_id="a\x1b[1m\n")
    await institution.authorise(7751, authorisation_id="a\x1b[1m\n")
    await institution.capture("a\x1b[1m\n")
    await institution.reverse("a\x1b[1m\n")
    await institution.authorise(7751, authorisation_id="a\x1b[1m\n")

    question = (
        "08:00:00 authorise a?[1m?: 7751 minor units of EUR, merchant cafe, terminal till-1: "
    )
    assert institution.lines == [
        f"{question}Declined: insufficient funds",
        f"{question}Declined: insufficient funds (try 2)",
        "08:00:00 capture   a?[1m?: REFUSED",
        "08:00:00 reverse   a?[1m?: REVERSED",
        f"{question}Reversed already (try 3)",
    ]


async def listed(
    trial: Trial, since: float, until: float, *, page_size: int = 0
) -> list[contract.ListedAuthorization]:
    """Return what is listed of a span of the institution's time, page by page."""
    request = contract.ListAuthorizationsRequest(page_size=page_size)
    request.since.FromNanoseconds(round(since * 1e9))
    request.until.FromNanoseconds(round(until * 1e9))
    found: list[contract.ListedAuthorization] = []
    while True:
        answer = await trial.stub.ListAuthorizations(request)
        found += answer.authorizations
        request.page_token = answer.next_page_token
        if not answer.next_page_token:
            return found


async def test_what_arrived_is_listed_as_it_stands_with_what_is_held_or_taken(
    institution: Trial,
) -> None:
    await institution.authorise(1250, authorisation_id="held")
    await institution.authorise(900, authorisation_id="taken")
    await institution.capture("taken")
    await institution.authorise(7710, authorisation_id="partly")
    await institution.authorise(7751, authorisation_id="declined")
    await institution.authorise(300, authorisation_id="reversed")
    await institution.reverse("reversed")
    await institution.reverse("marked")
    with pytest.raises(InstitutionSilent):
        await institution.authorise(7791, authorisation_id="turned-away")

    now = institution.clock.now()
    stands = {
        one.authorisation_id: (one.state, one.amount.minor_units)
        for one in await listed(institution, now, now + 1)
    }

    assert stands == {
        "held": (contract.AUTHORIZATION_STATE_DECIDED, 1250),
        "taken": (contract.AUTHORIZATION_STATE_CAPTURED, 900),
        "partly": (contract.AUTHORIZATION_STATE_DECIDED, 3855),
        "declined": (contract.AUTHORIZATION_STATE_DECIDED, 0),
        "reversed": (contract.AUTHORIZATION_STATE_REVERSED, 0),
        "marked": (contract.AUTHORIZATION_STATE_REVERSED, 0),
    }


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
async def test_a_list_has_what_first_arrived_in_its_span_in_that_order(
    institution: Trial, page_size: int
) -> None:
    start = institution.clock.now()
    for number in range(5):
        await institution.authorise(1250, authorisation_id=f"a{number}")
        institution.clock.advance(10)
    await institution.authorise(1250, authorisation_id="a0")

    found = await listed(institution, start + 10, start + 40, page_size=page_size)

    assert [one.authorisation_id for one in found] == ["a1", "a2", "a3"]
    arrivals = [one.arrived_at.ToMilliseconds() / 1000 - start for one in found]
    assert arrivals == [10, 20, 30]


async def test_a_token_of_no_list_is_refused(institution: Trial) -> None:
    request = contract.ListAuthorizationsRequest(page_token="a9")
    request.since.FromSeconds(0)
    request.until.FromSeconds(1)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await institution.stub.ListAuthorizations(request)

    assert from_call(caught.value).reason is Reason.REQUEST_INVALID


async def test_an_institution_without_marks_approves_what_was_reversed_before_it_came() -> None:
    async with trial(keeps_marks=False) as forgetful:
        assert await forgetful.reverse() is ReversalResult.NEVER_SEEN
        assert await forgetful.find() == NEVER_SEEN

        late = await forgetful.authorise(1250)

    assert late.answer is AuthorisationAnswer.APPROVED
