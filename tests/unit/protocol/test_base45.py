import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallymark_protocol.base45 import ALPHABET, NotBase45, decode, encode

# The examples of RFC 9285, sections 4.3 and 4.4, and the edges of each group size.
PAIRS = (
    (b"", ""),
    (b"AB", "BB8"),
    (b"Hello!!", "%69 VD92EX0"),
    (b"base-45", "UJCLQE7W581"),
    (b"ietf!", "QED8WEX0"),
    (b"\x00", "00"),
    (b"\xff", "U5"),
    (b"\x00\x00", "000"),
    (b"\xff\xff", "FGW"),
)

NOT_BASE45 = (
    pytest.param("0", id="one character"),
    pytest.param("0000", id="four characters"),
    pytest.param("GGW", id="65536, one more than two bytes hold"),
    pytest.param(":::", id="the largest group"),
    pytest.param("V5", id="256, one more than one byte holds"),
    pytest.param("::", id="the largest pair"),
    pytest.param("bb8", id="lower case"),
    pytest.param("BB8\n", id="a newline at the end"),
    pytest.param("BB8\n\n\n", id="newlines that fill a group"),
    pytest.param("BB_", id="underscore"),
    pytest.param("BB\x00", id="zero character"),
    pytest.param("BB\xb2", id="a Latin-1 digit"),
    pytest.param("BB\uff18", id="a full-width digit"),
    pytest.param("BB\ud800", id="half of a surrogate pair"),
    pytest.param("BB?", id="a question mark, the replacement character of the decoder"),
)


@pytest.mark.parametrize(("data", "text"), PAIRS)
def test_known_pairs_are_encoded_and_decoded(data: bytes, text: str) -> None:
    assert encode(data) == text
    assert decode(text) == data


@pytest.mark.parametrize("text", NOT_BASE45)
def test_what_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(NotBase45):
        decode(text)


@given(st.binary(max_size=400))
def test_decoding_gives_back_what_was_encoded(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text(alphabet=ALPHABET, max_size=60))
@example("FGWU5")
def test_each_text_that_is_accepted_is_the_only_text_of_its_bytes(text: str) -> None:
    try:
        data = decode(text)
    except NotBase45:
        return

    assert encode(data) == text


@given(st.text(max_size=60))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    try:
        data = decode(text)
    except NotBase45:
        return

    assert encode(data) == text
