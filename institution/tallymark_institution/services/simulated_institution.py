"""CreditInstitutionService over the rules: remembers first, then waits, loses or answers."""

import datetime as dt
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from grpc.aio import ServicerContext

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import credit_institution_service_pb2_grpc as contract_grpc
from tallymark_institution import narration, simulator, translation
from tallymark_institution.authorisation import Authorisation, Reversal, State, Verdict
from tallymark_institution.cards import CardNotAccepted, accept_card
from tallymark_institution.ledger import Ledger
from tallymark_institution.magic_amounts import Quirk
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason

__all__ = ["SimulatedInstitution"]

_PAGE_SIZE: Final = 200

_Context: TypeAlias = ServicerContext[Any, Any]


class SimulatedInstitution(contract_grpc.CreditInstitutionServiceServicer):
    """A credit institution whose answers depend on the amount; `magic_amounts` has the list.

    Between two awaits nothing else runs, so that every change is made whole.
    """

    def __init__(  # noqa: PLR0913 - what the outside world is, all by keyword
        self,
        *,
        ledger: Ledger,
        token_key: bytes,
        slow_seconds: float,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        tell: Callable[[str], object],
        keeps_marks: bool = True,
    ) -> None:
        """Take the memory, the clock (seconds since 1970), and where to tell what happens.

        Without marks it breaks its word: what is reversed before it arrives is approved after it.
        """
        self._ledger = ledger
        self._token_key = token_key
        self._slow_seconds = slow_seconds
        self._now = now
        self._sleep = sleep
        self._tell = tell
        self._keeps_marks = keeps_marks

    async def RegisterCard(
        self, request: contract.CreditInstitutionServiceRegisterCardRequest, context: _Context
    ) -> contract.CreditInstitutionServiceRegisterCardResponse:
        """Give the token of a card."""
        try:
            card = accept_card(
                request_id=request.request_id,
                card_number=request.card_number,
                expires_on=request.expires_on,
                today=dt.datetime.fromtimestamp(self._now(), tz=dt.UTC).date(),
                token_key=self._token_key,
            )
        except CardNotAccepted as error:
            raise Refused(
                Reason.REQUEST_INVALID,
                message=f"The card is not accepted. {error}",
                violations=[(error.field, str(error))],
            ) from error
        return contract.CreditInstitutionServiceRegisterCardResponse(
            card_token=card.token, brand=card.brand, last_four=card.last_four
        )

    async def Authorize(
        self, request: contract.AuthorizeRequest, context: _Context
    ) -> contract.AuthorizeResponse:
        """Decide by the amount, and answer as the amount says."""
        now = self._now()
        try:
            known = simulator.arrive(
                self._ledger.get(request.authorisation_id),
                translation.to_request(request),
                now=now,
                slow_seconds=self._slow_seconds,
            )
        except simulator.IdReused as error:
            raise Refused(Reason.REQUEST_ID_REUSED) from error
        self._ledger.put(known)
        self._tell(narration.authorisation_line(request, known, now=now))
        await self._ledger.flushed()
        if known.state is State.TURNED_AWAY:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE)
        verdict = await self._wait_for_verdict(known)
        if known.tries == 1 and verdict.outcome.holds_money:
            await self._lose_reply(simulator.magic_behind(known).quirk)
        return translation.to_answer(verdict, currency_code=request.amount.currency_code)

    async def Capture(
        self, request: contract.CaptureRequest, context: _Context
    ) -> contract.CaptureResponse:
        """Take the held amount."""
        known = self._settled(request.authorisation_id)
        if known is not None:
            known = simulator.capture(known)
            self._ledger.put(known)
        result = translation.to_capture_result(known)
        self._tell(narration.capture_line(request.authorisation_id, result, now=self._now()))
        await self._ledger.flushed()
        return contract.CaptureResponse(result=result)

    async def Reverse(
        self, request: contract.ReverseRequest, context: _Context
    ) -> contract.ReverseResponse:
        """Release or return the amount, or leave the mark."""
        known = simulator.reverse(
            self._settled(request.authorisation_id),
            authorisation_id=request.authorisation_id,
            now=self._now(),
        )
        if self._keeps_marks or known.reversal is not Reversal.NEVER_SEEN:
            self._ledger.put(known)
        self._tell(narration.reversal_line(known, now=self._now()))
        await self._ledger.flushed()
        if known.reversal is None or known.reversal is Reversal.UNAVAILABLE:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE)
        return contract.ReverseResponse(result=translation.to_reverse_result(known.reversal))

    async def GetAuthorization(
        self, request: contract.GetAuthorizationRequest, context: _Context
    ) -> contract.GetAuthorizationResponse:
        """Tell what is known."""
        known = self._settled(request.authorisation_id)
        await self._ledger.flushed()
        return translation.to_lookup(known)

    async def ListAuthorizations(
        self, request: contract.ListAuthorizationsRequest, context: _Context
    ) -> contract.ListAuthorizationsResponse:
        """Tell what is known of a span of time, a page at a time."""
        since, until = (moment.ToNanoseconds() / 1e9 for moment in (request.since, request.until))
        found = self._ledger.between(since, until)
        if request.page_token:
            ids = [known.authorisation_id for known in found]
            if request.page_token not in ids:
                violation = ("page_token", "This is not a token of this list.")
                raise Refused(Reason.REQUEST_INVALID, violations=[violation])
            found = found[ids.index(request.page_token) + 1 :]
        size = request.page_size or _PAGE_SIZE
        page = [self._settled(known.authorisation_id) or known for known in found[:size]]
        await self._ledger.flushed()
        is_last = len(found) <= size
        return contract.ListAuthorizationsResponse(
            authorizations=[translation.to_listed(known) for known in page],
            next_page_token="" if is_last else page[-1].authorisation_id,
        )

    def _settled(self, authorisation_id: str) -> Authorisation | None:
        """Return an authorisation as it stands by now."""
        known = self._ledger.get(authorisation_id)
        if known is not None:
            known = simulator.settle(known, now=self._now())
            self._ledger.put(known)
        return known

    async def _wait_for_verdict(self, known: Authorisation) -> Verdict:
        while known.verdict is None:
            remaining = math.inf
            if known.decides_at is not None:
                remaining = known.decides_at - self._now()
            await self._sleep(remaining)
            known = self._settled(known.authorisation_id) or known
        await self._ledger.flushed()
        return known.verdict

    async def _lose_reply(self, quirk: Quirk) -> None:
        if quirk is Quirk.REPLY_SWALLOWED:
            await self._sleep(math.inf)
        if quirk is Quirk.REPLY_BROKEN:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE)
