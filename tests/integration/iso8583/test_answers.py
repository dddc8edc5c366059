"""What the host says, and what it fails to say: each charge ends taken or given back."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import money_pb2
from tallymark_institution.iso8583.host.books import State
from tallymark_institution.iso8583.host.faults import FAULTS, Quirk
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_institution.iso8583.message import Message
from tallymark_protocol.errors import from_call
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)
from tests.integration.iso8583.ground import DEADLINE_SECONDS, NUMBER, Counter

AMOUNTS: dict[Quirk, int] = {
    fault.quirk: 7700 + fault.code for fault in FAULTS if fault.quirk is not Quirk.NONE
}

SILENT = [
    Quirk.ANSWER_LOST,
    Quirk.NEVER_DECIDED,
    Quirk.CROSSED,
    Quirk.CUT_BEFORE_ANSWER,
    Quirk.GARBAGE,
    Quirk.OTHER_AMOUNT,
]
"""With these a call has no answer that it can use."""

DECLINED = {
    77_05: AuthorisationAnswer.NOT_HONOURED,
    77_41: AuthorisationAnswer.CARD_BLOCKED,
    77_43: AuthorisationAnswer.CARD_BLOCKED,
    77_51: AuthorisationAnswer.INSUFFICIENT_FUNDS,
    77_54: AuthorisationAnswer.CARD_EXPIRED,
    77_59: AuthorisationAnswer.SUSPECTED_FRAUD,
    77_62: AuthorisationAnswer.CARD_BLOCKED,
    77_91: AuthorisationAnswer.NOT_HONOURED,
}


def money(currency_code: str, minor_units: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code=currency_code, minor_units=minor_units)


def kinds(host: CardHost) -> list[str]:
    return [message.kind for message in host.heard if not message.kind.startswith("08")]


def booked(host: CardHost) -> list[State]:
    return [entry.state for entry in host.books.entries.values()]


async def test_a_charge_is_held_taken_and_given_back(desk: Counter, host: CardHost) -> None:
    assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED
    assert await desk.state("a1") is AuthorisationState.DECIDED
    assert booked(host) == [State.HELD]
    assert await desk.capture("a1") is CaptureResult.CAPTURED
    assert await desk.state("a1") is AuthorisationState.CAPTURED
    assert booked(host) == [State.TAKEN]
    assert await desk.reverse("a1") is ReversalResult.REVERSED
    assert await desk.state("a1") is AuthorisationState.REVERSED
    assert booked(host) == [State.RETURNED]
    assert kinds(host) == ["0100", "0220", "0400"]


@pytest.mark.parametrize("minor_units", DECLINED)
async def test_response_codes_become_our_reasons(desk: Counter, minor_units: int) -> None:
    assert await desk.authorise("a1", minor_units) is DECLINED[minor_units]


async def test_a_part_is_told_and_reversed_like_a_whole(desk: Counter, host: CardHost) -> None:
    assert await desk.authorise("a1", 7710) is AuthorisationAnswer.PARTIALLY_APPROVED
    lookup = await desk.find("a1")
    assert await desk.reverse("a1") is ReversalResult.REVERSED

    assert lookup.result is not None
    assert lookup.result.approved_minor_units == 3855
    assert (await host.hears("0400")).field(4) == "000000003855"


async def test_every_call_again_has_its_answer_and_is_no_second_message(
    desk: Counter, host: CardHost
) -> None:
    for _ in range(3):
        assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED
    for _ in range(3):
        assert await desk.capture("a1") is CaptureResult.CAPTURED
    for _ in range(3):
        assert await desk.reverse("a1") is ReversalResult.REVERSED
    assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED
    assert await desk.capture("a1") is CaptureResult.REFUSED

    assert kinds(host) == ["0100", "0220", "0400"]


async def test_the_same_call_many_times_at_once_is_one_message(
    desk: Counter, host: CardHost
) -> None:
    answers = await asyncio.gather(*(desk.authorise("a1", 1250) for _ in range(20)))

    assert set(answers) == {AuthorisationAnswer.APPROVED}
    assert kinds(host) == ["0100"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": money("EUR", 1251)}, Reason.REQUEST_ID_REUSED),
        ({"card_token": "iso_other"}, Reason.REQUEST_INVALID),
        ({"amount": money("ZZZ", 1250)}, Reason.REQUEST_INVALID),
        ({"amount": money("EUR", 10**12)}, Reason.REQUEST_INVALID),
    ],
    ids=["another body", "no card", "no currency", "thirteen digits"],
)
async def test_what_cannot_be_asked_is_refused(
    desk: Counter, host: CardHost, change: dict[str, Any], reason: Reason
) -> None:
    await desk.authorise("a1", 1250)
    asked = {
        "authorisation_id": "a1",
        "card_token": desk.token,
        "amount": money("EUR", 1250),
        "merchant_id": "cafe",
        "terminal_id": "till-1",
    }
    request = contract.AuthorizeRequest(**{**asked, **change})

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await desk.stub.Authorize(request, timeout=DEADLINE_SECONDS)

    assert from_call(caught.value).reason == reason
    assert kinds(host) == ["0100"]


@pytest.mark.parametrize("number", ["4111111111111112", "0000000000000001"])
async def test_a_mistyped_card_is_refused(desk: Counter, number: str) -> None:
    request = contract.CreditInstitutionServiceRegisterCardRequest(
        request_id="r", card_number=number, expires_on="2030-12"
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await desk.stub.RegisterCard(request, timeout=DEADLINE_SECONDS)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert number not in str(caught.value)


@pytest.mark.parametrize("quirk", SILENT)
async def test_an_unanswered_charge_is_unknown_then_reversed(
    desk: Counter, host: CardHost, quirk: Quirk
) -> None:
    desk.give_up_waiting()
    with pytest.raises(InstitutionSilent):
        await desk.authorise("a1", AMOUNTS[quirk])
    unknown = await desk.state("a1")
    await desk.pass_time(59)
    waiting = await desk.state("a1")
    await desk.pass_time(1)
    given_up = await desk.state("a1")
    await asyncio.wait_for(desk.gateway.line.signed_on(), DEADLINE_SECONDS)
    await desk.pass_time(60)
    await desk.acknowledged("a1")

    assert (unknown, waiting) == (AuthorisationState.UNKNOWN, AuthorisationState.UNKNOWN)
    assert given_up is AuthorisationState.REVERSED
    assert host.fired[quirk] == 1
    assert State.HELD not in booked(host)
    assert await desk.authorise("a1", AMOUNTS[quirk]) is AuthorisationAnswer.REVERSED_BEFORE
    assert await desk.reverse("a1") is ReversalResult.REVERSED


async def test_an_approval_that_crosses_its_reversal_is_reversed_again(
    desk: Counter, host: CardHost
) -> None:
    desk.give_up_waiting()
    with pytest.raises(InstitutionSilent):
        await desk.authorise("a1", AMOUNTS[Quirk.CROSSED])
    await desk.pass_time(60)
    await host.hears("0420", 2)
    await desk.acknowledged("a1")

    first, second = (message for message in host.heard if message.kind == "0420")
    assert first.field(11) != second.field(11)
    assert first.field(90) == second.field(90)
    assert booked(host) == [State.RETURNED]


async def test_a_late_approval_within_the_limit_counts(desk: Counter, host: CardHost) -> None:
    desk.give_up_waiting()
    with pytest.raises(InstitutionSilent):
        await desk.authorise("a1", AMOUNTS[Quirk.NEVER_DECIDED])
    question = await host.hears("0100")
    fields = {number: question.field(number) for number in (4, 7, 11, 37, 49)}
    host.say(Message(kind="0110", fields={**fields, 38: "ABC123", 39: "00"}))
    await desk.acknowledged("a1")

    assert await desk.state("a1") is AuthorisationState.DECIDED
    assert await desk.authorise("a1", AMOUNTS[Quirk.NEVER_DECIDED]) is AuthorisationAnswer.APPROVED


async def test_a_duplicate_answer_changes_nothing(desk: Counter, host: CardHost) -> None:
    assert await desk.authorise("a1", AMOUNTS[Quirk.ANSWERED_TWICE]) is AuthorisationAnswer.APPROVED
    assert await desk.capture("a1") is CaptureResult.CAPTURED

    assert host.fired[Quirk.ANSWERED_TWICE] == 1
    assert kinds(host) == ["0100", "0220"]


async def test_an_approval_after_a_decline_is_given_back(desk: Counter, host: CardHost) -> None:
    answer = await desk.authorise("a1", AMOUNTS[Quirk.CHANGES_ITS_MIND])
    await host.hears("0420")
    await desk.acknowledged("a1")

    assert answer is AuthorisationAnswer.NOT_HONOURED
    assert booked(host) == [State.RETURNED]


async def test_a_reversal_ends_the_waiting_for_an_answer(desk: Counter, host: CardHost) -> None:
    waiting = asyncio.create_task(desk.authorise("a1", AMOUNTS[Quirk.NEVER_DECIDED]))
    await host.hears("0100")

    assert await desk.reverse("a1") is ReversalResult.REVERSED
    assert await waiting is AuthorisationAnswer.REVERSED_BEFORE


async def test_a_mark_declines_a_later_question_without_asking_the_host(
    desk: Counter, host: CardHost
) -> None:
    assert await desk.state("a1") is AuthorisationState.NEVER_SEEN
    assert await desk.reverse("a1") is ReversalResult.NEVER_SEEN
    assert await desk.reverse("a1") is ReversalResult.NEVER_SEEN
    assert await desk.state("a1") is AuthorisationState.REVERSED
    assert await desk.authorise("a1", 1250) is AuthorisationAnswer.REVERSED_BEFORE
    assert await desk.reverse("a1") is ReversalResult.NEVER_SEEN
    assert kinds(host) == []


async def test_the_host_refuses_a_message_without_an_amount_and_ignores_an_answer(
    desk: Counter, host: CardHost
) -> None:
    desk.gateway.line.send(Message(kind="0110", fields={11: "000001"}))
    desk.gateway.line.send(Message(kind="0100", fields={11: "000001"}))

    assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED
    assert len(host.books.entries) == 1


async def test_what_the_host_says_of_its_own_accord_changes_nothing_and_is_told(
    desk: Counter, host: CardHost, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.authorise("a1", 1250)
    host.say(Message(kind="0600", fields={2: NUMBER, 11: "000001"}))
    host.say(Message(kind="0110", fields={2: NUMBER, 11: "000001", 37: "999999999999", 39: "00"}))

    assert await desk.capture("a1") is CaptureResult.CAPTURED
    assert "not for a gateway: 0600" in caplog.text
    assert "answered what was never asked" in caplog.text
    assert NUMBER not in caplog.text


async def test_captures_that_make_no_sense(desk: Counter, host: CardHost) -> None:
    assert await desk.capture("a1") is CaptureResult.NEVER_SEEN
    await desk.authorise("a1", 77_51)
    assert await desk.capture("a1") is CaptureResult.REFUSED
    await desk.authorise("a2", 1250)
    await desk.reverse("a2")
    assert await desk.capture("a2") is CaptureResult.REFUSED
    assert kinds(host) == ["0100", "0100", "0400"]


async def test_a_refused_capture_and_a_refused_reversal_are_told(
    desk: Counter, host: CardHost
) -> None:
    await desk.authorise("a1", AMOUNTS[Quirk.CAPTURE_REFUSED])
    await desk.authorise("a2", AMOUNTS[Quirk.REVERSAL_REFUSED])

    assert await desk.capture("a1") is CaptureResult.REFUSED
    assert await desk.reverse("a2") is ReversalResult.REFUSED
    assert await desk.state("a2") is AuthorisationState.DECIDED
    assert booked(host) == [State.HELD, State.HELD]


@pytest.mark.parametrize(
    ("quirk", "kind", "tries"),
    [
        (Quirk.CAPTURE_ANSWER_LOST, "022", 2),
        (Quirk.REVERSAL_ANSWERS_LOST, "040", 3),
        (Quirk.REVERSAL_PUT_OFF, "040", 2),
    ],
)
async def test_what_is_not_acknowledged_is_repeated_until_it_is(
    desk: Counter, host: CardHost, quirk: Quirk, kind: str, tries: int
) -> None:
    await desk.authorise("a1", AMOUNTS[quirk])
    tell = desk.capture if kind == "022" else desk.reverse
    desk.give_up_waiting()
    with pytest.raises(InstitutionSilent):
        await tell("a1")
    for _ in range(tries - 1):
        await desk.pass_time(60)
        await host.hears(f"{kind}1")
    await desk.acknowledged("a1")

    assert await tell("a1") in {CaptureResult.CAPTURED, ReversalResult.REVERSED}
    assert [each for each in kinds(host) if each.startswith(kind)] == [
        f"{kind}0",
        *[f"{kind}1"] * (tries - 1),
    ]


async def test_no_card_number_is_printed_or_kept_in_the_open(
    desk: Counter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.authorise("a1", 1250)
    await desk.capture("a1")

    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.iterdir()])
    kept = b"".join(files)
    assert kept
    assert NUMBER.encode() not in kept
    assert desk.token.encode() not in kept
    assert NUMBER not in caplog.text
