"""ISO 8583 messages, as a card host sends them to the gateway."""

import asyncio
from collections.abc import Sequence

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
from tests.fuzz.parser import Parser

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

    return asyncio.run(messages())


def _unpack(data: bytes) -> Message:
    """Read a message as the gateway does, and look at what a log would show of it."""
    message = unpack(data)
    hidden = dict.fromkeys(FIELDS_UNTOLD & message.fields.keys(), "...")
    shown = Message(kind=message.kind, fields={**message.fields, **hidden})
    assert repr(message) == repr(shown)
    read_answer(message)
    return message


PARSERS = (
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
