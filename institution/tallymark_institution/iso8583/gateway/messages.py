"""What the gateway says to the host, field by field, and how it reads what the host says.

Field sets, by the tables of ISO 8583:1987; docs/iso8583.md lists them for the host's people.
"""

import datetime as dt
import hashlib
from typing import Final

import iso4217
import msgspec

from tallymark_institution.iso8583 import response_codes
from tallymark_institution.iso8583.gateway.authorisation import (
    Authorisation,
    Errand,
    ErrandKind,
    Question,
    Trace,
)
from tallymark_institution.iso8583.gateway.card_vault import Card
from tallymark_institution.iso8583.gateway.rules import Answer
from tallymark_institution.iso8583.message import Message

__all__ = [
    "AMOUNT_MAX",
    "AUTHORISATION",
    "AUTHORISATION_ANSWER",
    "ERRAND_ANSWERS",
    "NETWORK",
    "NETWORK_ANSWER",
    "Acquirer",
    "NetworkCode",
    "errand_message",
    "is_currency",
    "network_message",
    "question_message",
    "read_answer",
]

AUTHORISATION: Final = "0100"
AUTHORISATION_ANSWER: Final = "0110"
NETWORK: Final = "0800"
NETWORK_ANSWER: Final = "0810"

ERRAND_ANSWERS: Final = {
    "0230": ErrandKind.CAPTURE,
    "0410": ErrandKind.REVERSAL,
    "0430": ErrandKind.REVERSAL_ADVICE,
}

_REPEATS: Final = {
    ErrandKind.CAPTURE: "0221",
    ErrandKind.REVERSAL: "0401",
    ErrandKind.REVERSAL_ADVICE: "0421",
}

_PURCHASE: Final = "000000"
"""Field 3: goods and services, default account to default account."""

_CARD_ON_FILE: Final = "100"
"""Field 22: the number was kept; the terminal cannot read a PIN."""

_NORMAL: Final = "00"
"""Field 25: normal presentment."""

_TERMINAL_CHARACTERS: Final = 8
_MERCHANT_CHARACTERS: Final = 15
_ORIGINAL_INSTITUTION_DIGITS: Final = 11


AMOUNT_MAX: Final = 10**12 - 1
"""Twelve digits of field 4."""


class NetworkCode:
    """Field 70: what a 0800 is about."""

    SIGN_ON: Final = "001"
    SIGN_OFF: Final = "002"
    ECHO: Final = "301"


class Acquirer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as agreed with the host."""

    institution_id: str
    """Field 32, at most eleven digits."""
    merchant_type: str
    """Field 18, four digits of ISO 18245."""


def is_currency(code: str) -> bool:
    """Tell whether ISO 4217 has a number for the currency."""
    return code in iso4217.Currency.__members__


def question_message(question: Question, trace: Trace, card: Card, acquirer: Acquirer) -> Message:
    """Return the 0100."""
    fields = _charge(question, trace, card, acquirer)
    return Message(kind=AUTHORISATION, fields={**fields, **_traced(trace)})


def errand_message(known: Authorisation, card: Card, acquirer: Acquirer) -> Message:
    """Return the 0220, 0400 or 0420 that is sent next, or its repeat (0221, 0401, 0421)."""
    errand, question, trace = known.errand, known.question, known.trace
    assert errand is not None, "an errand is pending"
    assert question is not None, "an errand is about a question"
    assert trace is not None, "the question was asked"
    fields = {
        **_charge(question, trace, card, acquirer),
        **_traced(errand.trace),
        90: _original(trace, acquirer),
    }
    verdict = known.verdict
    if verdict is not None and verdict.outcome.holds_money:
        fields[4] = f"{verdict.approved_minor_units:012}"
        if verdict.authorisation_code:
            fields[38] = verdict.authorisation_code.ljust(6)
    if errand.kind is ErrandKind.REVERSAL_ADVICE:
        fields[39] = response_codes.NO_ANSWER_IN_TIME
    return Message(kind=_kind(errand), fields=fields)


def network_message(code: str, trace: Trace) -> Message:
    """Return the 0800 that signs on or off, or asks for an echo."""
    return Message(kind=NETWORK, fields={7: trace.transmitted, 11: trace.number, 70: code})


def read_answer(message: Message) -> Answer:
    """Return what matters of an answer; a field that is missing or odd fits no question."""
    amount, currency = message.field(4), message.field(49)
    return Answer(
        kind=message.kind,
        transmitted=message.field(7),
        number=message.field(11),
        reference=message.field(37),
        code=message.field(39),
        minor_units=int(amount) if amount.isascii() and amount.isdigit() else 0,
        currency_code=_currency_code(currency),
        authorisation_code=message.field(38).strip(),
    )


def _charge(question: Question, trace: Trace, card: Card, acquirer: Acquirer) -> dict[int, str]:
    """Return the fields that all messages about a charge share."""
    at = dt.datetime.fromtimestamp(trace.sent_at, tz=dt.UTC)
    return {
        2: card.number,
        3: _PURCHASE,
        4: f"{question.minor_units:012}",
        12: f"{at:%H%M%S}",
        13: f"{at:%m%d}",
        14: card.expires_on[2:4] + card.expires_on[5:7],
        18: acquirer.merchant_type,
        22: _CARD_ON_FILE,
        25: _NORMAL,
        32: acquirer.institution_id,
        41: _fitted(question.terminal_id, _TERMINAL_CHARACTERS),
        42: _fitted(question.merchant_id, _MERCHANT_CHARACTERS),
        49: f"{iso4217.Currency(question.currency_code).number:03}",
    }


def _traced(trace: Trace) -> dict[int, str]:
    return {7: trace.transmitted, 11: trace.number, 37: trace.reference}


def _original(trace: Trace, acquirer: Acquirer) -> str:
    """Return field 90: type, trace number, transmission, acquirer, forwarder of the question."""
    institution = acquirer.institution_id.rjust(_ORIGINAL_INSTITUTION_DIGITS, "0")
    forwarder = "0" * _ORIGINAL_INSTITUTION_DIGITS
    return AUTHORISATION + trace.number + trace.transmitted + institution + forwarder


def _kind(errand: Errand) -> str:
    return _REPEATS[errand.kind] if errand.tries > 1 else errand.kind.value


def _fitted(identifier: str, characters: int) -> str:
    """Return an id in a field of fixed length; one that is too long, by the start of its hash."""
    if len(identifier) > characters or not (identifier.isascii() and identifier.isprintable()):
        identifier = hashlib.sha256(identifier.encode()).hexdigest().upper()[:characters]
    return identifier.ljust(characters)


def _currency_code(number: str) -> str:
    if not (number.isascii() and number.isdigit()):
        return ""
    known = (each for each in iso4217.Currency if each.number == int(number))
    return next((each.code for each in known), "")
