"""The server's client against an institution that is away, breaks, or talks nonsense."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

import grpc
import pytest

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import money_pb2
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationResult,
    CardRejected,
    InstitutionDisagrees,
    InstitutionSilent,
    InstitutionUnavailable,
)
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tallymark_server.institution_answers import to_listed

from .institution_fixtures import DEADLINE_SECONDS, trial

if TYPE_CHECKING:
    from google.protobuf.message import Message

Answer: TypeAlias = "Message | grpc.StatusCode"

SILENT = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
}

FAILURES = set(grpc.StatusCode) - {grpc.StatusCode.OK}


class _Parrot(grpc.GenericRpcHandler):
    """Gives the same answer to every call."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        assert handler_call_details.method.startswith("/tallymark.v1.CreditInstitutionService/")
        return grpc.unary_unary_rpc_method_handler(self._say)

    async def _say(
        self, _request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> bytes:
        if isinstance(self._answer, grpc.StatusCode):
            await context.abort(self._answer, "no")
        return self._answer.SerializeToString()


@contextlib.asynccontextmanager
async def institution_that_says(answer: Answer) -> AsyncIterator[CreditInstitution]:
    server = grpc.aio.server(handlers=[_Parrot(answer)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_institution_channel(f"127.0.0.1:{port}") as channel:
        yield CreditInstitution(channel)
    await server.stop(0)


async def authorise(institution: CreditInstitution) -> AuthorisationResult:
    return await institution.authorise(
        "a1",
        card_token="sim_token",
        currency_code="EUR",
        minor_units=1250,
        merchant_id="cafe",
        terminal_id="till-1",
        deadline_seconds=DEADLINE_SECONDS,
    )


async def register_card(institution: CreditInstitution) -> object:
    return await institution.register_card(
        "r1", "4111111111111111", "2030-12", deadline_seconds=DEADLINE_SECONDS
    )


@pytest.mark.parametrize("status", sorted(FAILURES, key=str), ids=lambda status: status.name)
async def test_every_failed_call_is_silence_and_never_a_decline(status: grpc.StatusCode) -> None:
    kind = InstitutionSilent if status in SILENT else InstitutionDisagrees
    async with institution_that_says(status) as institution:
        calls = (
            authorise(institution),
            institution.capture("a1", deadline_seconds=DEADLINE_SECONDS),
            institution.reverse("a1", note="", deadline_seconds=DEADLINE_SECONDS),
            institution.find("a1", deadline_seconds=DEADLINE_SECONDS),
        )

        for call in calls:
            with pytest.raises(InstitutionSilent, match=status.name) as caught:
                await call
            assert type(caught.value) is kind


@pytest.mark.parametrize("status", sorted(FAILURES, key=str), ids=lambda status: status.name)
async def test_a_card_is_rejected_only_for_itself(status: grpc.StatusCode) -> None:
    is_rejection = status is grpc.StatusCode.INVALID_ARGUMENT
    async with institution_that_says(status) as institution:
        with pytest.raises(CardRejected if is_rejection else InstitutionUnavailable):
            await register_card(institution)


EUROS = money_pb2.Money(currency_code="EUR", minor_units=1250)
APPROVED = contract.AUTHORIZATION_RESULT_APPROVED
DECIDED = contract.AUTHORIZATION_STATE_DECIDED


@pytest.mark.parametrize(
    "answer",
    [
        contract.AuthorizeResponse(),
        contract.AuthorizeResponse(approved_amount=EUROS),
        contract.AuthorizeResponse(result=99, approved_amount=EUROS),  # type: ignore[arg-type]  # a later contract
        contract.AuthorizeResponse(result=APPROVED),
        contract.AuthorizeResponse(
            result=APPROVED,
            approved_amount=money_pb2.Money(currency_code="USD", minor_units=1250),
        ),
    ],
    ids=["empty", "no result", "later result", "no amount", "other currency"],
)
async def test_an_unclear_answer_is_no_answer(answer: contract.AuthorizeResponse) -> None:
    async with institution_that_says(answer) as institution:
        with pytest.raises(InstitutionDisagrees):
            await authorise(institution)


async def test_a_decline_without_a_known_reason_is_a_decline() -> None:
    answer = contract.AuthorizeResponse(result=contract.AUTHORIZATION_RESULT_DECLINED)

    async with institution_that_says(answer) as institution:
        result = await authorise(institution)

    assert result == AuthorisationResult(answer=AuthorisationAnswer.NOT_HONOURED)


@pytest.mark.parametrize(
    "answer",
    [
        contract.GetAuthorizationResponse(),
        contract.GetAuthorizationResponse(state=DECIDED),
        contract.GetAuthorizationResponse(state=DECIDED, answer=contract.AuthorizeResponse()),
    ],
    ids=["no state", "no answer", "unclear answer"],
)
async def test_an_unclear_lookup_is_no_answer(answer: contract.GetAuthorizationResponse) -> None:
    async with institution_that_says(answer) as institution:
        with pytest.raises(InstitutionDisagrees):
            await institution.find("a1", deadline_seconds=DEADLINE_SECONDS)


async def test_an_approval_in_another_currency_is_none_when_it_is_looked_up_either() -> None:
    approved = contract.AuthorizeResponse(
        result=APPROVED, approved_amount=money_pb2.Money(currency_code="USD", minor_units=1250)
    )
    answer = contract.GetAuthorizationResponse(state=DECIDED, answer=approved)

    async with institution_that_says(answer) as institution:
        with pytest.raises(InstitutionDisagrees, match="another currency"):
            await institution.find("a1", currency_code="EUR", deadline_seconds=DEADLINE_SECONDS)


async def test_an_empty_answer_to_anything_else_is_no_answer() -> None:
    async with institution_that_says(contract.CaptureResponse()) as institution:
        with pytest.raises(InstitutionDisagrees):
            await institution.capture("a1", deadline_seconds=DEADLINE_SECONDS)
        with pytest.raises(InstitutionDisagrees):
            await institution.reverse("a1", note="", deadline_seconds=DEADLINE_SECONDS)
        with pytest.raises(InstitutionUnavailable):
            await register_card(institution)


async def test_an_institution_that_is_away_is_silent() -> None:
    async with trial() as running:
        port = running.port

    async with open_institution_channel(f"127.0.0.1:{port}") as channel:
        institution = CreditInstitution(channel)
        with pytest.raises(InstitutionSilent, match="UNAVAILABLE"):
            await authorise(institution)
        with pytest.raises(InstitutionUnavailable):
            await register_card(institution)


async def test_closing_the_channel_during_a_call_is_silence() -> None:
    async with trial() as running, asyncio.TaskGroup() as tasks:

        async def ask() -> None:
            with pytest.raises(InstitutionSilent, match="closed during the call"):
                await running.authorise(7792)

        tasks.create_task(ask())
        await running.clock.somebody_waits.wait()
        await running.channel.close()


async def test_a_call_on_a_closed_channel_is_silence() -> None:
    async with trial() as running:
        await running.channel.close()

        with pytest.raises(InstitutionSilent, match="closed"):
            await running.authorise(1250)


async def test_the_end_of_the_caller_is_not_taken_for_silence() -> None:
    async with trial() as running, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(running.authorise(7792))
        await running.clock.somebody_waits.wait()

        asking.cancel()

    assert asking.cancelled()


async def test_stopping_during_a_call_is_silence() -> None:
    async with asyncio.TaskGroup() as tasks, trial() as running:

        async def ask() -> None:
            with pytest.raises(InstitutionSilent):
                await running.authorise(7792)

        tasks.create_task(ask())
        await running.clock.somebody_waits.wait()


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_a_listed_charge_of_no_time_that_is_one_is_no_answer(seconds: int) -> None:
    """The library's own error ended a day's comparison as a mistake of the server."""
    listed = contract.ListedAuthorization(state=contract.AUTHORIZATION_STATE_DECIDED)
    listed.arrived_at.seconds = seconds

    with pytest.raises(InstitutionDisagrees, match="a time that is none"):
        to_listed(listed)
