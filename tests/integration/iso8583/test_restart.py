"""What the gateway owes the host outlives it, and what it told stays so."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark_institution.iso8583.gateway.card_vault import KeyUnusable
from tallymark_institution.iso8583.host.books import State
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)
from tests.integration.iso8583.ground import DEADLINE_SECONDS, MovedClock, counter, line_to

NO_CAPTURE_ANSWER, NO_REVERSAL_ANSWERS, NEVER_DECIDED, NO_ANSWER = 7772, 7775, 7792, 7795


async def test_pending_reversals_are_delivered_once_acknowledged(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    clock = MovedClock()
    lives = 0
    async with counter(tmp_path, line_to(host_port), clock=clock) as desk:
        await desk.authorise("a1", NO_REVERSAL_ANSWERS)
        desk.give_up_waiting()
        with pytest.raises(InstitutionSilent):
            await desk.reverse("a1")
    while len([message for message in host.heard if message.kind[:3] == "040"]) < 3:
        clock.seconds += 60
        lives += 1
        async with counter(tmp_path, line_to(host_port), clock=clock) as desk:
            await asyncio.wait_for(host.hears("0401", lives), DEADLINE_SECONDS)

    async with counter(tmp_path, line_to(host_port), clock=clock) as desk:
        await desk.pass_time(60)
        await desk.acknowledged("a1")
        assert await desk.reverse("a1") is ReversalResult.REVERSED
        sent = len(host.heard)
        await desk.pass_time(3600)
        assert len(host.heard) == sent, "what is acknowledged is not sent again"

    reversals = [message for message in host.heard if message.kind[:3] == "040"]
    assert lives >= 2
    assert [message.kind for message in reversals[:3]] == ["0400", "0401", "0401"]
    assert len({message.field(11) for message in reversals}) == 1
    assert [entry.state for entry in host.books.entries.values()] == [State.RETURNED]


async def test_a_question_without_an_answer_is_reversed_by_the_next_life(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    clock = MovedClock()
    async with counter(tmp_path, line_to(host_port), clock=clock) as desk:
        desk.give_up_waiting()
        with pytest.raises(InstitutionSilent):
            await desk.authorise("a1", NO_ANSWER)

    async with counter(tmp_path, line_to(host_port), clock=clock) as desk:
        unknown = await desk.state("a1")
        await desk.pass_time(60)
        await desk.acknowledged("a1")
        answer = await desk.authorise("a1", NO_ANSWER)

    assert unknown is AuthorisationState.UNKNOWN
    assert answer is AuthorisationAnswer.REVERSED_BEFORE
    assert [entry.state for entry in host.books.entries.values()] == [State.RETURNED]


async def test_answers_and_marks_and_cards_are_the_same_after_a_restart(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    async with counter(tmp_path, line_to(host_port)) as desk:
        await desk.authorise("a1", 1250)
        await desk.capture("a1")
        await desk.reverse("a2")
        token = desk.token

    async with counter(tmp_path, line_to(host_port)) as desk:
        assert desk.token == token
        assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED
        assert await desk.capture("a1") is CaptureResult.CAPTURED
        assert await desk.authorise("a2", 1250) is AuthorisationAnswer.REVERSED_BEFORE
        assert await desk.authorise("a3", 1250) is AuthorisationAnswer.APPROVED

    questions = [message for message in host.heard if message.kind == "0100"]
    assert len({message.field(11) for message in questions}) == len(questions) == 2
    assert len({message.field(37) for message in questions}) == 2


async def test_another_key_is_refused_before_anything_is_served(
    tmp_path: Path, host_port: int
) -> None:
    async with counter(tmp_path, line_to(host_port)):
        pass
    await asyncio.to_thread((tmp_path / "cards.key").write_bytes, b"k" * 32)

    with pytest.raises(KeyUnusable, match="another key"):
        async with counter(tmp_path, line_to(host_port)):
            pass


async def test_all_authorisations_of_a_day_are_listed_page_by_page(
    tmp_path: Path, host_port: int
) -> None:
    async with counter(tmp_path, line_to(host_port)) as desk:
        began = desk.clock.seconds
        for number, minor_units in enumerate([1000, 2000, 3000, 77_51]):
            desk.clock.seconds += 1
            await desk.authorise(f"a{number}", minor_units)
        await desk.capture("a1")
        await desk.reverse("a2")
        desk.clock.seconds += 1
        await desk.reverse("mark")
        request = contract.ListAuthorizationsRequest(
            since=at(began + 1), until=at(began + 6), page_size=2
        )
        pages = []
        while True:
            page = await desk.stub.ListAuthorizations(request, timeout=DEADLINE_SECONDS)
            pages.append(page.authorizations)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break

    listed = [each for page in pages for each in page]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [(each.authorisation_id, each.state, each.amount.minor_units) for each in listed] == [
        ("a0", contract.AUTHORIZATION_STATE_DECIDED, 1000),
        ("a1", contract.AUTHORIZATION_STATE_CAPTURED, 2000),
        ("a2", contract.AUTHORIZATION_STATE_REVERSED, 0),
        ("a3", contract.AUTHORIZATION_STATE_DECIDED, 0),
        ("mark", contract.AUTHORIZATION_STATE_REVERSED, 0),
    ]
    assert [each.arrived_at for each in listed] == [at(began + number) for number in range(1, 6)]


@pytest.mark.parametrize("page_token", ["a0", "then a0"])
async def test_a_token_of_another_list_is_refused(
    tmp_path: Path, host_port: int, page_token: str
) -> None:
    async with counter(tmp_path, line_to(host_port)) as desk:
        request = contract.ListAuthorizationsRequest(
            since=at(0), until=at(1), page_token=page_token
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await desk.stub.ListAuthorizations(request, timeout=DEADLINE_SECONDS)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def at(seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromMicroseconds(round(seconds * 1e6))
    return moment
