"""Between the simulator's own words and the messages of the contract."""

import hashlib
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import money_pb2
from tallymark_institution.authorisation import (
    Authorisation,
    AuthorisationRequest,
    Outcome,
    Reversal,
    State,
    Verdict,
)

__all__ = [
    "to_answer",
    "to_capture_result",
    "to_listed",
    "to_lookup",
    "to_request",
    "to_reverse_result",
]

_WITH_MONEY: Final = {State.DECIDED, State.CAPTURED}

_RESULTS: Final = {
    Outcome.APPROVED: contract.AUTHORIZATION_RESULT_APPROVED,
    Outcome.PARTIALLY_APPROVED: contract.AUTHORIZATION_RESULT_PARTIALLY_APPROVED,
}

_DECLINE_REASONS: Final = {
    Outcome.INSUFFICIENT_FUNDS: contract.DECLINE_REASON_INSUFFICIENT_FUNDS,
    Outcome.CARD_EXPIRED: contract.DECLINE_REASON_CARD_EXPIRED,
    Outcome.CARD_BLOCKED: contract.DECLINE_REASON_CARD_BLOCKED,
    Outcome.SUSPECTED_FRAUD: contract.DECLINE_REASON_SUSPECTED_FRAUD,
    Outcome.NOT_HONOURED: contract.DECLINE_REASON_NOT_HONOURED,
    Outcome.REVERSED_BEFORE: contract.DECLINE_REASON_REVERSED_BEFORE,
}

_STATES: Final = {
    State.TURNED_AWAY: contract.AUTHORIZATION_STATE_NEVER_SEEN,
    State.UNDECIDED: contract.AUTHORIZATION_STATE_UNKNOWN,
    State.DECIDED: contract.AUTHORIZATION_STATE_DECIDED,
    State.CAPTURED: contract.AUTHORIZATION_STATE_CAPTURED,
    State.REVERSED: contract.AUTHORIZATION_STATE_REVERSED,
}

_REVERSE_RESULTS: Final = {
    Reversal.REVERSED: contract.REVERSE_RESULT_REVERSED,
    Reversal.NEVER_SEEN: contract.REVERSE_RESULT_NEVER_SEEN,
    Reversal.REFUSED: contract.REVERSE_RESULT_REFUSED,
}
"""UNAVAILABLE is not among them: it is a failed call."""


def to_request(message: contract.AuthorizeRequest) -> AuthorisationRequest:
    """Return what is remembered of a question; neither the card's token nor the body is."""
    body = message.SerializeToString(deterministic=True)
    return AuthorisationRequest(
        authorisation_id=message.authorisation_id,
        currency_code=message.amount.currency_code,
        minor_units=message.amount.minor_units,
        fingerprint=hashlib.sha256(body).hexdigest(),
    )


def to_answer(verdict: Verdict, *, currency_code: str) -> contract.AuthorizeResponse:
    """Return the answer to a question."""
    if not verdict.outcome.holds_money:
        return contract.AuthorizeResponse(
            result=contract.AUTHORIZATION_RESULT_DECLINED,
            decline_reason=_DECLINE_REASONS[verdict.outcome],
        )
    return contract.AuthorizeResponse(
        result=_RESULTS[verdict.outcome],
        approved_amount=money_pb2.Money(
            currency_code=currency_code, minor_units=verdict.approved_minor_units
        ),
        authorisation_code=verdict.authorisation_code,
    )


def to_lookup(known: Authorisation | None) -> contract.GetAuthorizationResponse:
    """Return what is known. The mark of an early reversal has no answer: nothing was asked yet."""
    if known is None:
        return contract.GetAuthorizationResponse(
            state=contract.AUTHORIZATION_STATE_NEVER_SEEN,
        )
    answer = None
    if known.verdict is not None and known.request is not None:
        answer = to_answer(known.verdict, currency_code=known.request.currency_code)
    return contract.GetAuthorizationResponse(state=_STATES[known.state], answer=answer)


def to_listed(known: Authorisation) -> contract.ListedAuthorization:
    """Return how an authorisation stands, with what is held or taken."""
    amount = None
    if known.state in _WITH_MONEY and known.request is not None and known.verdict is not None:
        amount = money_pb2.Money(
            currency_code=known.request.currency_code,
            minor_units=known.verdict.approved_minor_units,
        )
    arrived_at = Timestamp()
    arrived_at.FromMilliseconds(round(known.arrived_at * 1000))
    return contract.ListedAuthorization(
        authorisation_id=known.authorisation_id,
        state=_STATES[known.state],
        amount=amount if amount and amount.minor_units else None,
        arrived_at=arrived_at,
    )


def to_capture_result(known: Authorisation | None) -> "contract.CaptureResult.ValueType":
    """Return what became of a capture that has left the authorisation like this."""
    if known is None or known.state is State.TURNED_AWAY:
        return contract.CAPTURE_RESULT_NEVER_SEEN
    if known.state is State.CAPTURED:
        return contract.CAPTURE_RESULT_CAPTURED
    return contract.CAPTURE_RESULT_REFUSED


def to_reverse_result(reversal: Reversal) -> "contract.ReverseResult.ValueType":
    """Return what became of a reversal."""
    return _REVERSE_RESULTS[reversal]
