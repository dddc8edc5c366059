"""Between what the gateway remembers and the messages of the contract."""

import math
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import money_pb2
from tallymark_institution.authorisation import Outcome, Verdict
from tallymark_institution.iso8583.gateway.authorisation import (
    Authorisation,
    ErrandKind,
    ErrandResult,
    Question,
)
from tallymark_institution.iso8583.gateway.card_vault import card_key
from tallymark_institution.translation import to_answer, to_request

__all__ = [
    "to_capture_result",
    "to_decision",
    "to_listed",
    "to_lookup",
    "to_page_token",
    "to_place",
    "to_question",
    "to_reverse_result",
]

_WITH_MONEY: Final = {contract.AUTHORIZATION_STATE_DECIDED, contract.AUTHORIZATION_STATE_CAPTURED}

_REVERSED_BEFORE: Final = Verdict(outcome=Outcome.REVERSED_BEFORE)


def to_question(message: contract.AuthorizeRequest) -> Question:
    """Return what is remembered of a question."""
    request = to_request(message)
    return Question(
        authorisation_id=request.authorisation_id,
        currency_code=request.currency_code,
        minor_units=request.minor_units,
        fingerprint=request.fingerprint,
        card_key=card_key(message.card_token),
        merchant_id=message.merchant_id,
        terminal_id=message.terminal_id,
    )


def to_decision(known: Authorisation) -> contract.AuthorizeResponse:
    """Return the answer to a question; one that was reversed undecided was reversed before."""
    assert known.question is not None, "it was asked"
    return to_answer(known.verdict or _REVERSED_BEFORE, currency_code=known.question.currency_code)


def to_lookup(known: Authorisation | None) -> contract.GetAuthorizationResponse:
    """Return what is known."""
    if known is None:
        state = contract.AUTHORIZATION_STATE_NEVER_SEEN
        return contract.GetAuthorizationResponse(state=state)
    answer = None
    if known.verdict is not None:
        answer = to_decision(known)
    return contract.GetAuthorizationResponse(state=_state(known), answer=answer)


def to_listed(known: Authorisation) -> contract.ListedAuthorization:
    """Return how an authorisation stands, with what is held or taken."""
    state, amount = _state(known), None
    if state in _WITH_MONEY and known.question is not None and known.verdict is not None:
        amount = money_pb2.Money(
            currency_code=known.question.currency_code,
            minor_units=known.verdict.approved_minor_units,
        )
    arrived_at = Timestamp()
    arrived_at.FromMicroseconds(round(known.arrived_at * 1e6))
    return contract.ListedAuthorization(
        authorisation_id=known.authorisation_id,
        state=state,
        amount=amount if amount and amount.minor_units else None,
        arrived_at=arrived_at,
    )


def to_page_token(last: Authorisation) -> str:
    """Return the token of the page that begins after this authorisation."""
    return f"{last.arrived_at.hex()} {last.authorisation_id}"


def to_place(page_token: str) -> tuple[float, str]:
    """Return the time and id after which a page begins. Raises ValueError."""
    if not page_token:
        return -math.inf, ""
    arrived_at, space, authorisation_id = page_token.partition(" ")
    if not space:
        message = "A token has two parts."
        raise ValueError(message)
    return float.fromhex(arrived_at), authorisation_id


def to_capture_result(known: Authorisation | None) -> "contract.CaptureResult.ValueType":
    """Return what became of a capture that has left the authorisation like this."""
    if known is None:
        return contract.CAPTURE_RESULT_NEVER_SEEN
    if known.reversal is None and _is_captured(known):
        return contract.CAPTURE_RESULT_CAPTURED
    return contract.CAPTURE_RESULT_REFUSED


def to_reverse_result(known: Authorisation) -> "contract.ReverseResult.ValueType":
    """Return what became of a reversal that has left the authorisation like this."""
    if known.trace is None:
        return contract.REVERSE_RESULT_NEVER_SEEN
    if known.reversal is not None and known.reversal.result is ErrandResult.DONE:
        return contract.REVERSE_RESULT_REVERSED
    return contract.REVERSE_RESULT_REFUSED


def _state(known: Authorisation) -> "contract.AuthorizationState.ValueType":
    if known.trace is None or _is_reversed(known):
        return contract.AUTHORIZATION_STATE_REVERSED
    if _is_captured(known):
        return contract.AUTHORIZATION_STATE_CAPTURED
    if known.verdict is not None:
        return contract.AUTHORIZATION_STATE_DECIDED
    return contract.AUTHORIZATION_STATE_UNKNOWN


def _is_reversed(known: Authorisation) -> bool:
    """Tell whether nothing is held any more.

    A request to reverse may be refused, so it counts when the host has said yes. An advice tells
    the host what is so already: it counts from the moment it is written down.
    """
    errand = known.reversal
    if errand is None:
        return False
    is_advised = errand.kind is ErrandKind.REVERSAL_ADVICE
    return errand.result is ErrandResult.DONE or (
        is_advised and errand.result is ErrandResult.PENDING
    )


def _is_captured(known: Authorisation) -> bool:
    return known.capture is not None and known.capture.result is ErrandResult.DONE
