"""The server's side of the calls to the credit institution.

A call ends in an answer or in InstitutionSilent, nothing else. Whatever goes wrong on the way may
have gone wrong after the institution decided, so it is an unknown outcome and never a decline.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, TypeVar

import grpc

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import credit_institution_service_pb2_grpc as contract_grpc
from tallymark.v1 import money_pb2
from tallymark_protocol.tls import open_channel
from tallymark_server import institution_answers
from tallymark_server.domain.authorisation import (
    AuthorisationLookup,
    AuthorisationResult,
    CaptureResult,
    CardRejected,
    InstitutionDisagrees,
    InstitutionSilent,
    InstitutionUnavailable,
    ListedAuthorisation,
    RegisteredCard,
    ReversalResult,
)

__all__ = ["CreditInstitution", "open_institution_channel"]

_RECONNECT_MILLISECONDS_MAX: Final = 5_000
"""gRPC's own 2 minutes would outlast the 180 s after which an unanswered charge is closed."""

_REJECTIONS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.UNAUTHENTICATED,
}
"""Statuses that an institution gives to a call, not to a card: repeating will not help."""

_PAGE_SIZE: Final = 1_000
"""At some 100 bytes each, far below gRPC's limit for one message (4 MB)."""

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


def open_institution_channel(
    address: str,
    ca_certificates_pem: str = "",
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> grpc.aio.Channel:
    """Return a channel to HOST:PORT, which connects when it is first used. Whoever opens closes.

    Without the certificates of an authority it is plain text, for the same machine only: card
    numbers pass through it.
    """
    options = (("grpc.max_reconnect_backoff_ms", _RECONNECT_MILLISECONDS_MAX),)
    if ca_certificates_pem:
        return open_channel(
            address,
            ca_certificates_pem=ca_certificates_pem,
            options=options,
            interceptors=interceptors,
        )
    return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)


class CreditInstitution:
    """Asks a credit institution. Every call may be repeated, and waits `deadline_seconds` at most.

    Every call raises InstitutionSilent, or InstitutionDisagrees under it, except `register_card`.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take an open channel."""
        self._stub = contract_grpc.CreditInstitutionServiceStub(channel)

    async def register_card(
        self, request_id: str, card_number: str, expires_on: str, *, deadline_seconds: float
    ) -> RegisteredCard:
        """Return the token of a card that expires at the end of the month "YYYY-MM".

        Raises CardRejected and InstitutionUnavailable, neither of which names the number.
        """
        request = contract.CreditInstitutionServiceRegisterCardRequest(
            request_id=request_id, card_number=card_number, expires_on=expires_on
        )
        try:
            response = await _call(self._stub.RegisterCard, request, deadline_seconds)
            return institution_answers.to_card(response)
        except InstitutionSilent as error:
            if _status_behind(error) is grpc.StatusCode.INVALID_ARGUMENT:
                message = "The credit institution does not accept this card."
                raise CardRejected(message) from error
            message = "The credit institution does not register cards now."
            raise InstitutionUnavailable(message) from error

    async def authorise(  # noqa: PLR0913 - what the question says
        self,
        authorisation_id: str,
        *,
        card_token: str,
        currency_code: str,
        minor_units: int,
        merchant_id: str,
        terminal_id: str,
        deadline_seconds: float,
    ) -> AuthorisationResult:
        """Ask to hold an amount on a card; the same id and values have the same answer.

        Whether what is held is what was asked for, the caller compares.
        """
        request = contract.AuthorizeRequest(
            authorisation_id=authorisation_id,
            card_token=card_token,
            amount=money_pb2.Money(currency_code=currency_code, minor_units=minor_units),
            merchant_id=merchant_id,
            terminal_id=terminal_id,
        )
        response = await _call(self._stub.Authorize, request, deadline_seconds)
        institution_answers.check_currency(response, asked=currency_code)
        return institution_answers.to_result(response)

    async def capture(self, authorisation_id: str, *, deadline_seconds: float) -> CaptureResult:
        """Take the held amount."""
        request = contract.CaptureRequest(authorisation_id=authorisation_id)
        response = await _call(self._stub.Capture, request, deadline_seconds)
        return institution_answers.to_capture_result(response)

    async def reverse(
        self, authorisation_id: str, *, note: str, deadline_seconds: float
    ) -> ReversalResult:
        """Release the held amount or return the captured one; `note` has at most 200 characters."""
        request = contract.ReverseRequest(authorisation_id=authorisation_id, note=note)
        response = await _call(self._stub.Reverse, request, deadline_seconds)
        return institution_answers.to_reversal_result(response)

    async def find(
        self, authorisation_id: str, *, deadline_seconds: float, currency_code: str = ""
    ) -> AuthorisationLookup:
        """Ask what became of an authorisation; of one in this currency, if it is given."""
        request = contract.GetAuthorizationRequest(authorisation_id=authorisation_id)
        response = await _call(self._stub.GetAuthorization, request, deadline_seconds)
        if currency_code and response.HasField("answer"):
            institution_answers.check_currency(response.answer, asked=currency_code)
        return institution_answers.to_lookup(response)

    async def list_between(
        self, since: int, until: int, *, deadline_seconds: float
    ) -> list[ListedAuthorisation]:
        """Return what first arrived in this span (milliseconds since 1970), oldest first.

        The deadline is that of each page.
        """
        request = contract.ListAuthorizationsRequest(page_size=_PAGE_SIZE)
        request.since.FromMilliseconds(since)
        request.until.FromMilliseconds(until)
        listed: list[ListedAuthorisation] = []
        while True:
            response = await _call(self._stub.ListAuthorizations, request, deadline_seconds)
            listed += map(institution_answers.to_listed, response.authorizations)
            request.page_token = response.next_page_token
            if not request.page_token:
                return listed


async def _call(
    method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]",
    request: _Request,
    deadline_seconds: float,
) -> _Response:
    """Make a call, and turn every way to fail into an unknown outcome."""
    try:
        return await method(request, timeout=deadline_seconds)
    except grpc.aio.AioRpcError as error:
        kind = InstitutionDisagrees if error.code() in _REJECTIONS else InstitutionSilent
        message = f"The call to the credit institution ended with {error.code().name}."
        raise kind(message) from error
    except grpc.aio.UsageError as error:
        message = "The connection to the credit institution is closed."
        raise InstitutionSilent(message) from error
    except asyncio.CancelledError as error:
        # Closing the channel cancels its calls; only then is this not the caller's own end.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        message = "The connection to the credit institution was closed during the call."
        raise InstitutionSilent(message) from error


def _status_behind(error: InstitutionSilent) -> grpc.StatusCode | None:
    cause = error.__cause__
    return cause.code() if isinstance(cause, grpc.aio.AioRpcError) else None
