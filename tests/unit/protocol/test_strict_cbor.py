import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.strict_cbor import NotStrictCbor, decode, encode

NOT_STRICT = (
    pytest.param("", id="nothing"),
    pytest.param("82f6", id="cut off"),
    pytest.param("9fff", id="indefinite array"),
    pytest.param("bfff", id="indefinite map"),
    pytest.param("5f4101ff", id="indefinite bytes"),
    pytest.param("a201020103", id="a key given twice"),
    pytest.param("8181818101", id="deeper than allowed"),
    pytest.param("61ff", id="a text that is not UTF-8"),
    pytest.param("c11a00000001", id="time tag"),
    pytest.param("c2420100", id="bignum tag"),
    pytest.param("c4820001", id="decimal fraction tag"),
    pytest.param("d81c80", id="shared value tag"),
    pytest.param("d8236161", id="regular expression tag"),
    pytest.param("d8246161", id="e-mail message tag"),
    pytest.param("d83d01", id="CWT tag"),
    pytest.param("d9d9f701", id="self-described CBOR tag"),
    pytest.param("da7fffffff01", id="a tag that nobody knows"),
    pytest.param("9bffffffffffffffff", id="an array longer than memory"),
    pytest.param("5b7fffffffffffffff", id="bytes longer than memory"),
    pytest.param("ff", id="a break outside of anything"),
    pytest.param("1c", id="a reserved head"),
)


@pytest.mark.parametrize("data", NOT_STRICT)
def test_what_no_format_allows_is_refused(data: str) -> None:
    with pytest.raises(NotStrictCbor):
        decode(bytes.fromhex(data), depth_max=3)


def test_the_error_does_not_repeat_the_bytes() -> None:
    with pytest.raises(NotStrictCbor) as caught:
        decode(b"\xd8\x23\x67(secret", depth_max=1)

    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_keys_of_the_claims_are_in_the_order_of_rfc_8949() -> None:
    encoded = encode({-65537: 0, 7: 0, 4: 0, 3: 0})

    assert encoded.hex() == "a40300040007003a0001000000"


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused_without_a_warning(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            decode(data, depth_max=3)
        except NotStrictCbor:
            return


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 2**63), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_decoding_gives_back_what_was_encoded(value: object) -> None:
    assert decode(encode(value), depth_max=20) == value
