"""ISO 8583:1987 messages: what is in them, how they are packed, and how they stand on the line.

The field set is the standard's own of 1987, in ASCII with bitmaps as hexadecimal digits, as the
library lists it. On the line each message follows its length, two bytes, big-endian.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import iso8583
import msgspec
from iso8583.specs import default_ascii

__all__ = ["FIELDS_UNTOLD", "Message", "NotAMessage", "framed", "pack", "read_message", "unpack"]

FIELDS_UNTOLD: Final = frozenset({2, 14, 34, 35, 36, 45, 52, 53, 55})
"""What stands for a card, or proves who holds it; never shown."""

_KIND_DIGITS: Final = 4
_FIELDS_MAX: Final = 128
_LENGTH_BYTES: Final = 2
_BITMAPS: Final = ("p", "1")


class NotAMessage(Exception):
    """The bytes or fields are no ISO 8583 message. The text names a field, never its content."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its four-digit type, and its fields by number."""

    kind: str
    fields: Mapping[int, str]

    def __repr__(self) -> str:
        """Show everything but what stands for a card."""
        shown = {
            number: "..." if number in FIELDS_UNTOLD else value
            for number, value in sorted(self.fields.items())
        }
        return f"Message({self.kind} {shown})"

    def field(self, number: int) -> str:
        """Return a field, or nothing if it is not there."""
        return self.fields.get(number, "")


def pack(message: Message) -> bytes:
    """Return the bytes of a message. Raises NotAMessage."""
    document = {str(number): value for number, value in message.fields.items()}
    try:
        packed, _ = iso8583.encode({"t": message.kind, **document}, default_ascii)
    except iso8583.EncodeError as error:
        # Its cause holds the whole message, card number and all.
        raise NotAMessage(str(error)) from None
    return bytes(packed)


def unpack(content: bytes) -> Message:
    """Return the message in these bytes. Raises NotAMessage."""
    try:
        document, _ = iso8583.decode(content, default_ascii)
    except iso8583.DecodeError as error:
        raise NotAMessage(str(error)) from None
    except KeyError:
        # A third bitmap names fields that the standard of 1987 does not have.
        text = f"There are fields above {_FIELDS_MAX}."
        raise NotAMessage(text) from None
    kind = document.pop("t")
    if not (kind.isascii() and kind.isdigit() and len(kind) == _KIND_DIGITS):
        text = "The type is not four digits."
        raise NotAMessage(text)
    for bitmap in _BITMAPS:
        document.pop(bitmap, None)
    return Message(kind=kind, fields={int(number): value for number, value in document.items()})


def framed(message: Message) -> bytes:
    """Return what is sent: length, then message. Raises NotAMessage."""
    content = pack(message)
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Return the next message; empty ones, with which some hosts keep a line warm, are passed over.

    Raises NotAMessage, and IncompleteReadError at the end of the line.
    """
    length = 0
    while length == 0:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
    return unpack(await reader.readexactly(length))
