"""Messages as bytes: what is packed comes back, and nothing else is taken for a message."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso8583.specs import default_ascii

from tallymark_institution.iso8583.message import (
    FIELDS_UNTOLD,
    Message,
    NotAMessage,
    framed,
    pack,
    read_message,
    unpack,
)

BITMAPS = {1, 65}

LENGTH_MAX = 60
"""Of a field of varying length here; the standard allows up to 999."""


def values(number: int) -> st.SearchStrategy[str]:
    """Return what may stand in a field: all of its fixed length, or up to its greatest."""
    rule = default_ascii[str(number)]
    longest = int(rule["max_len"])  # type: ignore[call-overload]  # values of any type
    shortest = 0 if rule["len_type"] else longest
    characters = st.characters(min_codepoint=32, max_codepoint=126)
    return st.text(characters, min_size=shortest, max_size=max(min(longest, LENGTH_MAX), shortest))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    numbers = draw(st.sets(st.sampled_from(sorted(set(range(2, 129)) - BITMAPS)), max_size=20))
    fields: Mapping[int, str] = {number: draw(values(number)) for number in sorted(numbers)}
    return Message(kind=draw(st.from_regex(r"[0-9]{4}", fullmatch=True)), fields=fields)


@given(message=messages())
def test_what_is_packed_comes_back(message: Message) -> None:
    assert unpack(pack(message)) == message


@given(message=messages())
def test_on_the_line_a_message_follows_its_length(message: Message) -> None:
    content = framed(message)

    assert int.from_bytes(content[:2], "big") == len(content) - 2
    assert unpack(content[2:]) == message


@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(content: bytes) -> None:
    try:
        message = unpack(content)
    except NotAMessage:
        return

    assert unpack(pack(message)) == message


@given(message=messages(), data=st.data())
def test_a_message_that_lost_its_end_is_refused(message: Message, data: st.DataObject) -> None:
    content = pack(message)
    length = data.draw(st.integers(0, len(content) - 1))

    with pytest.raises(NotAMessage):
        unpack(content[:length])


@given(message=messages(), data=st.data())
def test_a_flipped_byte_makes_another_message_or_none(
    message: Message, data: st.DataObject
) -> None:
    content = bytearray(pack(message))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))

    try:
        flipped = unpack(bytes(content))
    except NotAMessage:
        return

    # A capital of the bitmap may have become a small letter, which is the same bitmap.
    assert flipped == unpack(pack(flipped))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0100",
        b"01004",
        b"0100" + b"Z" * 16,
        b"0100" + b"4" + b"0" * 15 + b"99" + b"1" * 99,
        b"0100" + b"4" + b"0" * 15 + b"-1",
        b"0100" + b"0" * 16 + b"more",
        b"1x00" + b"0" * 16,
        b"0100" + b"8" + b"0" * 15 + b"8" + b"0" * 15 + b"F" * 16,
    ],
    ids=[
        "nothing",
        "no bitmap",
        "half a bitmap",
        "no digits",
        "too long",
        "less than nothing",
        "bytes after the end",
        "type of letters",
        "a third bitmap",
    ],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(NotAMessage):
        unpack(content)


def test_a_field_that_does_not_fit_is_refused_without_its_content() -> None:
    message = Message(kind="0100", fields={2: "4" * 20, 4: "000000000001"})

    with pytest.raises(NotAMessage) as caught:
        pack(message)

    assert "4444" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_that_stands_for_a_card_is_shown() -> None:
    secret = "4111111111111111"
    message = Message(kind="0100", fields=dict.fromkeys(FIELDS_UNTOLD, secret) | {11: "000001"})

    assert secret not in repr(message)
    assert "000001" in repr(message)


async def test_empty_frames_are_passed_over_and_an_end_is_an_end() -> None:
    message = Message(kind="0800", fields={11: "000001", 70: "301"})
    reader = asyncio.StreamReader()
    reader.feed_data(b"\0\0" + framed(message) + b"\0")
    reader.feed_eof()

    assert await read_message(reader) == message
    with pytest.raises(asyncio.IncompleteReadError):
        await read_message(reader)
