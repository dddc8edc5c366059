"""The tags of terminals: only what the server signed, only as a tag, only until it expires."""

from pathlib import Path
from typing import Any, Final

import cbor2
import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol import base45, code_format
from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_errors import CodeMalformed, CodeNotGenuine
from tallymark_protocol.code_keys import VerificationKeys
from tallymark_protocol.signed_text import SignedTextKind
from tallymark_protocol.terminal_tag import (
    TAG_PREFIX,
    TAG_TEXT_CHARACTERS_MAX,
    RejectedTag,
    TagClaims,
    TagKind,
    parse,
    sign,
    verify,
)

SPECIFICATION: Final = Path(__file__).parents[3] / "docs" / "signatures.md"
EPOCH: Final = 7
NOW: Final = 1_790_000_000
TAG: Final = TagClaims(
    terminal_id="till-1",
    merchant_id="cafe",
    expires_at=NOW + 60,
    kind=TagKind.DISPLAY,
    nonce=bytes(range(8)),
)
GOOD_CLAIMS: Final[dict[object, object]] = {
    2: "till-1",
    4: NOW + 60,
    7: bytes(range(8)),
    -65538: ["cafe", 1],
}

# A signed text of any payload, with the context of tags, to try what the server never signs.
ANY_TAG: Final = SignedTextKind(
    prefix=TAG_PREFIX,
    characters_max=TAG_TEXT_CHARACTERS_MAX,
    context=b"tallymark tag",
    malformed=RejectedTag,
    name="tag",
    advice="",
)

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
claims_of_any_tag = st.builds(
    TagClaims,
    terminal_id=ids,
    merchant_id=ids,
    expires_at=st.integers(1, 2**32 - 1),
    kind=st.sampled_from(TagKind),
    nonce=st.binary(min_size=8, max_size=8),
)


@given(claims_of_any_tag, st.integers(0, 2**64 - 1))
def test_what_was_signed_is_verified(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, claims: TagClaims, epoch: int
) -> None:
    text = sign(claims, key_id=1, private_key=private_key, epoch=epoch)

    assert verify(parse(text), keys=keys, epoch=epoch, now_seconds=0) == claims
    assert len(text) <= TAG_TEXT_CHARACTERS_MAX


def test_payload_is_the_cbor_of_the_specification(private_key: Ed25519PrivateKey) -> None:
    parsed = parse(sign(TAG, key_id=1, private_key=private_key, epoch=EPOCH))

    assert parsed.payload == cbor2.dumps(GOOD_CLAIMS, canonical=True)
    assert parsed.key_id == 1
    private_key.public_key().verify(
        parsed.signature,
        cbor2.dumps(
            [
                "Signature1",
                bytes.fromhex("a20127044101"),
                b"tallymark tag" + EPOCH.to_bytes(8, "big"),
                parsed.payload,
            ]
        ),
    )


@pytest.mark.parametrize("kind", TagKind)
def test_every_bit_flip_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, kind: TagKind
) -> None:
    claims = TagClaims(
        terminal_id="t", merchant_id="m", expires_at=NOW + 1, kind=kind, nonce=bytes(8)
    )
    cose = base45.decode(sign(claims, key_id=1, private_key=private_key, epoch=EPOCH)[4:])

    for bit in range(len(cose) * 8):
        flipped = bytearray(cose)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RejectedTag):
            check(TAG_PREFIX + base45.encode(bytes(flipped)), keys)


@given(st.text(max_size=360))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for candidate in (text, TAG_PREFIX + text):
        with pytest.raises(RejectedTag):
            parse(candidate)


@given(st.binary(max_size=240))
def test_any_payload_is_refused_or_said(private_key: Ed25519PrivateKey, payload: bytes) -> None:
    text = ANY_TAG.sign(payload, key_id=1, private_key=private_key, epoch=EPOCH)

    with pytest.raises(RejectedTag, match="claims"):
        parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {2: ""},
        {2: None},
        {2: "Till-1"},
        {2: "till 1"},
        {2: "-till"},
        {2: "till-1\n"},
        {2: "t" * 64},
        {2: b"till-1"},
        {4: 0},
        {4: -1},
        {4: 2**32},
        {4: True},
        {4: float(NOW + 60)},
        {4: str(NOW)},
        {7: bytes(7)},
        {7: bytes(9)},
        {7: "01234567"},
        {-65538: []},
        {-65538: ["cafe"]},
        {-65538: ["cafe", 1, 1]},
        {-65538: ["", 1]},
        {-65538: ["Cafe", 1]},
        {-65538: [1, "cafe"]},
        {-65538: ["cafe", 0]},
        {-65538: ["cafe", 3]},
        {-65538: ["cafe", True]},
        {-65538: ["cafe", 1.0]},
        {-65538: ["cafe", "1"]},
        {-65538: ["cafe", []]},
        {-65538: "cafe"},
        {1: "issuer"},
        {3: "till-1"},
        {6: NOW},
        {-65537: ["e", "t"]},
        {"2": "till-1"},
    ],
    ids=repr,
)
def test_signed_claims_that_no_tag_has_are_refused(
    private_key: Ed25519PrivateKey, change: dict[object, object]
) -> None:
    payload = cbor2.dumps({**GOOD_CLAIMS, **change}, canonical=True)

    with pytest.raises(RejectedTag, match="claims"):
        parse(ANY_TAG.sign(payload, key_id=1, private_key=private_key, epoch=EPOCH))


@pytest.mark.parametrize("missing", GOOD_CLAIMS)
def test_no_claim_may_be_missing(private_key: Ed25519PrivateKey, missing: object) -> None:
    entries = {key: value for key, value in GOOD_CLAIMS.items() if key != missing}
    payload = cbor2.dumps(entries, canonical=True)

    with pytest.raises(RejectedTag, match="claims"):
        parse(ANY_TAG.sign(payload, key_id=1, private_key=private_key, epoch=EPOCH))


def test_claims_in_another_order_or_beside_others_are_refused(
    private_key: Ed25519PrivateKey,
) -> None:
    good = cbor2.dumps(GOOD_CLAIMS, canonical=True)
    backwards = cbor2.dumps(dict(reversed(GOOD_CLAIMS.items())))

    for payload in (backwards, good + b"\x00", b"\xb8\x04" + good[1:], cbor2.dumps([good])):
        with pytest.raises(RejectedTag, match="claims"):
            parse(ANY_TAG.sign(payload, key_id=1, private_key=private_key, epoch=EPOCH))


@pytest.mark.parametrize(
    "wrong",
    [
        {"terminal_id": "TILL"},
        {"merchant_id": ""},
        {"merchant_id": None},
        {"expires_at": 0},
        {"expires_at": 2**32},
        {"nonce": bytes(7)},
    ],
    ids=repr,
)
def test_claims_that_no_tag_may_have_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id is|text|number|end|bytes"):
        TagClaims(
            **{
                "terminal_id": "t",
                "merchant_id": "m",
                "expires_at": NOW,
                "kind": TagKind.PRINTED,
                "nonce": bytes(8),
                **wrong,
            }
        )


def test_tag_ends_at_its_expiry_to_the_millisecond(
    private_key: Ed25519PrivateKey, keys: VerificationKeys
) -> None:
    parsed = parse(sign(TAG, key_id=1, private_key=private_key, epoch=EPOCH))

    assert verify(parsed, keys=keys, epoch=EPOCH, now_seconds=NOW + 59.999) == TAG
    for late in (NOW + 60, NOW + 60.001, NOW + 86_400):
        with pytest.raises(RejectedTag, match="expired"):
            verify(parsed, keys=keys, epoch=EPOCH, now_seconds=late)


def test_tag_of_another_epoch_or_key_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys
) -> None:
    stranger = Ed25519PrivateKey.generate()

    for text, reason in (
        (sign(TAG, key_id=1, private_key=private_key, epoch=EPOCH + 1), "signature"),
        (sign(TAG, key_id=1, private_key=stranger, epoch=EPOCH), "signature"),
        (sign(TAG, key_id=2, private_key=private_key, epoch=EPOCH), "no key 2"),
    ):
        with pytest.raises(RejectedTag, match=reason):
            check(text, keys)


def test_tag_cannot_be_taken_for_a_code_nor_a_code_for_a_tag(
    private_key: Ed25519PrivateKey,
) -> None:
    tag = sign(TAG, key_id=1, private_key=private_key, epoch=EPOCH)
    claims = CodeClaims(expires_at=NOW + 60, cti=bytes(20))
    code = code_format.sign(claims, key_id=1, private_key=private_key, epoch=EPOCH)

    for text in (tag, "TM1:" + tag[4:]):
        with pytest.raises(CodeMalformed):
            code_format.parse(text)
    for text in (code, TAG_PREFIX + code[4:]):
        with pytest.raises(RejectedTag):
            parse(text)


def test_signature_of_one_kind_does_not_fit_the_other(
    private_key: Ed25519PrivateKey, keys: VerificationKeys
) -> None:
    tag = base45.decode(sign(TAG, key_id=1, private_key=private_key, epoch=EPOCH)[4:])
    claims = CodeClaims(expires_at=NOW + 60, cti=bytes(20))
    code = base45.decode(
        code_format.sign(claims, key_id=1, private_key=private_key, epoch=EPOCH)[4:]
    )
    as_a_code = SignedTextKind(
        prefix="TM1:",
        characters_max=466,
        context=b"tallymark tag",
        malformed=RejectedTag,
        name="code",
        advice="",
    ).sign(cbor2.loads(code)[2], key_id=1, private_key=private_key, epoch=EPOCH)
    as_a_tag = SignedTextKind(
        prefix=TAG_PREFIX,
        characters_max=352,
        context=b"tallymark",
        malformed=RejectedTag,
        name="tag",
        advice="",
    ).sign(cbor2.loads(tag)[2], key_id=1, private_key=private_key, epoch=EPOCH)

    with pytest.raises(CodeNotGenuine):
        code_format.verify(code_format.parse(as_a_code), keys=keys, epoch=EPOCH, now_seconds=NOW)
    with pytest.raises(RejectedTag, match="signature"):
        check(as_a_tag, keys)


@pytest.mark.parametrize(
    ("terminal", "merchant", "message_bytes", "characters", "version"),
    [
        (6, 4, 114, 175, 7),
        (8, 4, 116, 178, 7),
        (8, 8, 120, 184, 8),
        (20, 20, 144, 220, 8),
        (32, 32, 170, 259, 9),
        (63, 63, 232, 352, 11),
    ],
)
def test_tag_has_the_size_of_the_specification(  # noqa: PLR0913, PLR0917 - a row of the table
    private_key: Ed25519PrivateKey,
    terminal: int,
    merchant: int,
    message_bytes: int,
    characters: int,
    version: int,
) -> None:
    claims = TagClaims(
        terminal_id="t" * terminal,
        merchant_id="m" * merchant,
        expires_at=2**32 - 1,
        kind=TagKind.PRINTED,
        nonce=bytes(8),
    )

    text = sign(claims, key_id=255, private_key=private_key, epoch=2**64 - 1)
    symbol = segno.make_qr(text, error="m", boost_error=False)

    assert len(base45.decode(text[4:])) == message_bytes
    assert len(text) == characters <= TAG_TEXT_CHARACTERS_MAX
    assert (symbol.version, symbol.error, symbol.mode) == (version, "M", "alphanumeric")
    line = f"| {terminal} | {merchant} | {message_bytes} | {characters} | {version} |"
    assert line in SPECIFICATION.read_text("utf-8")


def test_repr_of_a_parsed_tag_is_short(private_key: Ed25519PrivateKey) -> None:
    parsed = parse(sign(TAG, key_id=1, private_key=private_key, epoch=EPOCH))

    assert "payload" not in repr(parsed)
    assert "till-1" in repr(parsed)


def check(text: str, keys: VerificationKeys) -> TagClaims:
    return verify(parse(text), keys=keys, epoch=EPOCH, now_seconds=NOW)
