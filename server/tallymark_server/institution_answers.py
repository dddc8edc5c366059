"""Reads the credit institution's messages; one without a clear meaning is InstitutionDisagrees."""

from typing import Final

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    InstitutionDisagrees,
    ListedAuthorisation,
    RegisteredCard,
    ReversalResult,
)
from tallymark_server.domain.money import Money

__all__ = [
    "check_currency",
    "to_capture_result",
    "to_card",
    "to_listed",
    "to_lookup",
    "to_result",
    "to_reversal_result",
]

_APPROVALS: Final = {
    contract.AUTHORIZATION_RESULT_APPROVED: AuthorisationAnswer.APPROVED,
    contract.AUTHORIZATION_RESULT_PARTIALLY_APPROVED: AuthorisationAnswer.PARTIALLY_APPROVED,
}

_DECLINES: Final = {
    contract.DECLINE_REASON_INSUFFICIENT_FUNDS: AuthorisationAnswer.INSUFFICIENT_FUNDS,
    contract.DECLINE_REASON_CARD_EXPIRED: AuthorisationAnswer.CARD_EXPIRED,
    contract.DECLINE_REASON_CARD_BLOCKED: AuthorisationAnswer.CARD_BLOCKED,
    contract.DECLINE_REASON_SUSPECTED_FRAUD: AuthorisationAnswer.SUSPECTED_FRAUD,
    contract.DECLINE_REASON_REVERSED_BEFORE: AuthorisationAnswer.REVERSED_BEFORE,
}
"""Any other reason, also one of a later contract, is NOT_HONOURED: a decline it is."""

_STATES: Final = {
    contract.AUTHORIZATION_STATE_NEVER_SEEN: AuthorisationState.NEVER_SEEN,
    contract.AUTHORIZATION_STATE_UNKNOWN: AuthorisationState.UNKNOWN,
    contract.AUTHORIZATION_STATE_DECIDED: AuthorisationState.DECIDED,
    contract.AUTHORIZATION_STATE_CAPTURED: AuthorisationState.CAPTURED,
    contract.AUTHORIZATION_STATE_REVERSED: AuthorisationState.REVERSED,
}

_CAPTURE_RESULTS: Final = {
    contract.CAPTURE_RESULT_CAPTURED: CaptureResult.CAPTURED,
    contract.CAPTURE_RESULT_REFUSED: CaptureResult.REFUSED,
    contract.CAPTURE_RESULT_NEVER_SEEN: CaptureResult.NEVER_SEEN,
}

_REVERSAL_RESULTS: Final = {
    contract.REVERSE_RESULT_REVERSED: ReversalResult.REVERSED,
    contract.REVERSE_RESULT_NEVER_SEEN: ReversalResult.NEVER_SEEN,
    contract.REVERSE_RESULT_REFUSED: ReversalResult.REFUSED,
}


def to_card(
    response: contract.CreditInstitutionServiceRegisterCardResponse,
) -> RegisteredCard:
    """Read the answer to a registration. Raises InstitutionDisagrees."""
    if not response.card_token:
        raise InstitutionDisagrees(_unclear("a card without a token"))
    return RegisteredCard(
        token=response.card_token, brand=response.brand, last_four=response.last_four
    )


def check_currency(response: contract.AuthorizeResponse, *, asked: str) -> None:
    """Raise InstitutionDisagrees if something is held in another currency than was asked for."""
    is_declined = response.result == contract.AUTHORIZATION_RESULT_DECLINED
    if not is_declined and response.approved_amount.currency_code != asked:
        raise InstitutionDisagrees(_unclear("an approval in another currency"))


def to_result(response: contract.AuthorizeResponse) -> AuthorisationResult:
    """Read the answer to an authorisation. Raises InstitutionDisagrees."""
    if response.result == contract.AUTHORIZATION_RESULT_DECLINED:
        answer = _DECLINES.get(response.decline_reason, AuthorisationAnswer.NOT_HONOURED)
        return AuthorisationResult(answer=answer)
    approval = _APPROVALS.get(response.result)
    if approval is None:
        raise InstitutionDisagrees(_unclear("neither an approval nor a decline"))
    return AuthorisationResult(
        answer=approval,
        approved_minor_units=response.approved_amount.minor_units,
        authorisation_code=response.authorisation_code,
    )


def to_lookup(response: contract.GetAuthorizationResponse) -> AuthorisationLookup:
    """Read what is known of an authorisation. Raises InstitutionDisagrees."""
    state = _STATES.get(response.state)
    if state is None:
        raise InstitutionDisagrees(_unclear("an unknown state"))
    result = None
    if response.HasField("answer"):
        result = to_result(response.answer)
    if result is None and state in {AuthorisationState.DECIDED, AuthorisationState.CAPTURED}:
        raise InstitutionDisagrees(_unclear("a decision without the answer"))
    return AuthorisationLookup(state=state, result=result)


def to_listed(message: contract.ListedAuthorization) -> ListedAuthorisation:
    """Read a line of the institution's list. Raises InstitutionDisagrees."""
    state = _STATES.get(message.state)
    if state is None:
        raise InstitutionDisagrees(_unclear("an unknown state"))
    amount = None
    if message.HasField("amount"):
        amount = Money(
            currency_code=message.amount.currency_code, minor_units=message.amount.minor_units
        )
    try:
        arrived_at = message.arrived_at.ToMilliseconds()
    except ValueError:
        raise InstitutionDisagrees(_unclear("a time that is none")) from None
    return ListedAuthorisation(
        authorisation_id=message.authorisation_id,
        state=state,
        amount=amount,
        arrived_at=arrived_at,
    )


def to_capture_result(response: contract.CaptureResponse) -> CaptureResult:
    """Read the answer to a capture. Raises InstitutionDisagrees."""
    result = _CAPTURE_RESULTS.get(response.result)
    if result is None:
        raise InstitutionDisagrees(_unclear("an unknown capture result"))
    return result


def to_reversal_result(response: contract.ReverseResponse) -> ReversalResult:
    """Read the answer to a reversal. Raises InstitutionDisagrees."""
    result = _REVERSAL_RESULTS.get(response.result)
    if result is None:
        raise InstitutionDisagrees(_unclear("an unknown reversal result"))
    return result


def _unclear(what: str) -> str:
    return f"The credit institution answered with {what}."
