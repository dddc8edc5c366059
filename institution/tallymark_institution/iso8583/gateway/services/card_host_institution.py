"""CreditInstitutionService over the gateway: messages in, words of ours out."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from grpc.aio import ServicerContext

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import credit_institution_service_pb2_grpc as contract_grpc
from tallymark_institution.cards import CardNotAccepted, accept_card
from tallymark_institution.iso8583.gateway import translation
from tallymark_institution.iso8583.gateway.card_vault import Card, CardVault, card_key
from tallymark_institution.iso8583.gateway.gateway import Gateway, NoAnswer, UnknownCard
from tallymark_institution.iso8583.gateway.messages import AMOUNT_MAX, is_currency
from tallymark_institution.iso8583.gateway.rules import IdReused
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason

__all__ = ["CardHostInstitution"]

_NO_NUMBER: Final = ("amount.currency_code", "ISO 4217 has no number for this currency.")
_TOO_MUCH: Final = ("amount.minor_units", "ISO 8583 has twelve digits for an amount.")
_NO_CARD: Final = ("card_token", "This token stands for no card.")
_NO_PAGE: Final = ("page_token", "This is not a token of this list.")

_PAGE_SIZE: Final = 200

_Context: TypeAlias = ServicerContext[Any, Any]


class CardHostInstitution(contract_grpc.CreditInstitutionServiceServicer):
    """A credit institution that speaks ISO 8583."""

    def __init__(self, *, gateway: Gateway, vault: CardVault, now: Callable[[], float]) -> None:
        """Take what talks to the host, the cards, and the clock (seconds since 1970)."""
        self._gateway = gateway
        self._vault = vault
        self._now = now

    async def RegisterCard(
        self, request: contract.CreditInstitutionServiceRegisterCardRequest, context: _Context
    ) -> contract.CreditInstitutionServiceRegisterCardResponse:
        """Keep a card, and give its token. The host is asked when the card is charged."""
        try:
            card = accept_card(
                request_id=request.request_id,
                card_number=request.card_number,
                expires_on=request.expires_on,
                today=dt.datetime.fromtimestamp(self._now(), tz=dt.UTC).date(),
                token_key=self._vault.token_key,
                prefix="iso",
            )
        except CardNotAccepted as error:
            raise _invalid(error.field, str(error)) from error
        await self._gateway.keep_card(
            card_key(card.token), Card(number=request.card_number, expires_on=request.expires_on)
        )
        return contract.CreditInstitutionServiceRegisterCardResponse(
            card_token=card.token, brand=card.brand, last_four=card.last_four
        )

    async def Authorize(
        self, request: contract.AuthorizeRequest, context: _Context
    ) -> contract.AuthorizeResponse:
        """Ask the host."""
        if not is_currency(request.amount.currency_code):
            raise _invalid(*_NO_NUMBER)
        if request.amount.minor_units > AMOUNT_MAX:
            raise _invalid(*_TOO_MUCH)
        try:
            known = await self._gateway.ask(translation.to_question(request))
        except IdReused as error:
            raise Refused(Reason.REQUEST_ID_REUSED) from error
        except UnknownCard as error:
            raise _invalid(*_NO_CARD) from error
        except NoAnswer as error:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE) from error
        return translation.to_decision(known)

    async def Capture(
        self, request: contract.CaptureRequest, context: _Context
    ) -> contract.CaptureResponse:
        """Have the held amount taken."""
        try:
            known = await self._gateway.capture(request.authorisation_id)
        except NoAnswer as error:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE) from error
        return contract.CaptureResponse(result=translation.to_capture_result(known))

    async def Reverse(
        self, request: contract.ReverseRequest, context: _Context
    ) -> contract.ReverseResponse:
        """Release or return the amount, or leave the mark."""
        try:
            known = await self._gateway.reverse(request.authorisation_id)
        except NoAnswer as error:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE) from error
        return contract.ReverseResponse(result=translation.to_reverse_result(known))

    async def GetAuthorization(
        self, request: contract.GetAuthorizationRequest, context: _Context
    ) -> contract.GetAuthorizationResponse:
        """Tell what is known."""
        return translation.to_lookup(await self._gateway.find(request.authorisation_id))

    async def ListAuthorizations(
        self, request: contract.ListAuthorizationsRequest, context: _Context
    ) -> contract.ListAuthorizationsResponse:
        """Tell what is known of a span of time, a page at a time."""
        since, until = (moment.ToNanoseconds() / 1e9 for moment in (request.since, request.until))
        try:
            after = translation.to_place(request.page_token)
        except ValueError as error:
            raise _invalid(*_NO_PAGE) from error
        size = request.page_size or _PAGE_SIZE
        found = await self._gateway.arrived(since=since, until=until, after=after, limit=size + 1)
        return contract.ListAuthorizationsResponse(
            authorizations=[translation.to_listed(known) for known in found[:size]],
            next_page_token=translation.to_page_token(found[size - 1]) if found[size:] else "",
        )


def _invalid(field: str, happened: str) -> Refused:
    return Refused(Reason.REQUEST_INVALID, message=happened, violations=[(field, happened)])
