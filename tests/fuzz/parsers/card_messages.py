"""What the card side answers: the institution to the server, a card host to the gateway."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import money_pb2
from tallymark_institution.iso8583.gateway.messages import read_answer
from tallymark_institution.iso8583.message import (
    FIELDS_UNTOLD,
    Message,
    NotAMessage,
    framed,
    pack,
    read_message,
    unpack,
)
from tallymark_server import institution_answers as answers
from tallymark_server.domain.authorisation import InstitutionDisagrees
from tests.fuzz.parser import Parser
from tests.fuzz.parsers.event_loop import run

__all__ = ["PARSERS"]

_CHARGE = {
    2: "4242424242424242",
    3: "000000",
    4: "000000000420",
    7: "1123031500",
    11: "000001",
    12: "031500",
    13: "1123",
    14: "3012",
    22: "812",
    32: "123456",
    37: "632703000001",
    41: "TILL0001",
    42: "CAFE           ",
    49: "978",
}


def _messages() -> Sequence[Message]:
    answer = {number: _CHARGE[number] for number in (2, 3, 4, 7, 11, 37, 41, 49)}
    original = "0100" + _CHARGE[11] + _CHARGE[7] + "00000123456" + "0" * 11
    return [
        Message(kind="0100", fields=_CHARGE),
        Message(kind="0110", fields=answer | {38: "AUTH01", 39: "00"}),
        Message(kind="0420", fields=_CHARGE | {90: original, 95: "0" * 42}),
        Message(kind="0430", fields=answer | {39: "00", 90: original}),
        Message(kind="0800", fields={7: _CHARGE[7], 11: "000002", 70: "001"}),
        Message(kind="0810", fields={7: _CHARGE[7], 11: "000002", 39: "00", 70: "001"}),
    ]


def _read_line(data: bytes) -> list[Message]:
    """Read a line to its end, as the gateway does: it drops one on which no message came."""

    async def messages() -> list[Message]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        read: list[Message] = []
        try:
            while True:
                read.append(await read_message(reader))
        except (asyncio.IncompleteReadError, NotAMessage):
            return read

    return run(messages())


def _unpack(data: bytes) -> Message:
    """Read a message as the gateway does, and look at what a log would show of it."""
    message = unpack(data)
    hidden = dict.fromkeys(FIELDS_UNTOLD & message.fields.keys(), "...")
    shown = Message(kind=message.kind, fields={**message.fields, **hidden})
    assert repr(message) == repr(shown)
    read_answer(message)
    return message


# The institution's answers. The first byte says which one it is; the rest is a protobuf message.

_ANSWERS: tuple[tuple[Any, Callable[[Any], object]], ...] = (
    (contract.CreditInstitutionServiceRegisterCardResponse, answers.to_card),
    (contract.AuthorizeResponse, answers.to_result),
    (contract.GetAuthorizationResponse, answers.to_lookup),
    (contract.ListedAuthorization, answers.to_listed),
    (contract.CaptureResponse, answers.to_capture_result),
    (contract.ReverseResponse, answers.to_reversal_result),
)


def _read_answer(data: bytes) -> object:
    kind, read = _ANSWERS[(data[0] if data else 0) % len(_ANSWERS)]
    return read(kind.FromString(data[1:]))


def _institution_answers() -> Sequence[bytes]:
    approved = contract.AuthorizeResponse(
        result=contract.AUTHORIZATION_RESULT_APPROVED,
        approved_amount=money_pb2.Money(currency_code="EUR", minor_units=420),
        authorisation_code="A1B2C3",
    )
    listed = contract.ListedAuthorization(
        authorisation_id="00" * 17, state=contract.AUTHORIZATION_STATE_CAPTURED
    )
    listed.arrived_at.FromMilliseconds(1_790_000_000_123)
    listed.amount.CopyFrom(approved.approved_amount)
    good = (
        contract.CreditInstitutionServiceRegisterCardResponse(
            card_token="t" * 32, brand="VISA", last_four="4242"
        ),
        approved,
        contract.GetAuthorizationResponse(
            state=contract.AUTHORIZATION_STATE_DECIDED, answer=approved
        ),
        listed,
        contract.CaptureResponse(result=contract.CAPTURE_RESULT_CAPTURED),
        contract.ReverseResponse(result=contract.REVERSE_RESULT_REVERSED),
    )
    return [bytes([number]) + each.SerializeToString() for number, each in enumerate(good)]


PARSERS = (
    Parser(
        name="institution_answer",
        read=_read_answer,
        # gRPC itself refuses bytes that are no message, before anybody reads them.
        refusals=(InstitutionDisagrees, DecodeError),
        seeds=_institution_answers,
    ),
    Parser(
        name="iso8583",
        read=_unpack,
        write=pack,
        is_canonical=False,
        refusals=(NotAMessage,),
        seeds=lambda: [pack(message) for message in _messages()],
    ),
    Parser(
        name="iso8583_line",
        read=_read_line,
        refusals=(),
        seeds=lambda: [
            b"".join(framed(message) for message in _messages()),
            b"\x00\x00" + framed(_messages()[-1]),
        ],
    ),
)
