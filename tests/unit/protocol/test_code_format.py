import traceback

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol import base45
from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_errors import (
    CodeExpired,
    CodeKeyUnknown,
    CodeMalformed,
    CodeNotGenuine,
    RejectedCode,
)
from tallymark_protocol.code_format import (
    CODE_TEXT_CHARACTERS_MAX,
    EPOCH_MAX,
    check_expiry,
    parse,
    sign,
    verify,
)
from tallymark_protocol.code_keys import VerificationKeys

EPOCH = 7
NOW = 1_790_000_000
GENERAL = CodeClaims(expires_at=NOW + 60, cti=bytes(range(20)))
TICKET = CodeClaims(
    expires_at=NOW + 60,
    cti=bytes(range(20)),
    audience="gate-2",
    event_id="concert-2026",
    ticket_id="A-1042",
)

references = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}", fullmatch=True)
tickets = st.just((None, None)) | st.tuples(references, references)
claims_of_any_code = st.builds(
    lambda expires_at, cti, audience, ticket: CodeClaims(
        expires_at=expires_at,
        cti=cti,
        audience=audience,
        event_id=ticket[0],
        ticket_id=ticket[1],
    ),
    st.integers(1, 2**32 - 1),
    st.binary(min_size=20, max_size=20),
    st.none() | references,
    tickets,
)
cbor_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.binary(max_size=30)
    | st.binary(min_size=64, max_size=64),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from((1, 3, 4, 6, 7, -65537, "a")), inner, max_size=4)
        | st.builds(cbor2.CBORTag, st.sampled_from((0, 1, 2, 4, 18, 35, 36, 61)), inner)
    ),
    max_leaves=8,
)


@given(claims_of_any_code, st.integers(0, EPOCH_MAX))
def test_what_was_signed_is_verified(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, claims: CodeClaims, epoch: int
) -> None:
    text = sign(claims, key_id=1, private_key=private_key, epoch=epoch)

    parsed = parse(text)

    assert parsed.key_id == 1
    assert verify(parsed, keys=keys, epoch=epoch, now_seconds=0) == claims
    assert len(text) <= CODE_TEXT_CHARACTERS_MAX


@pytest.mark.parametrize("claims", [GENERAL, TICKET])
def test_every_bit_flip_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, claims: CodeClaims
) -> None:
    cose = base45.decode(sign(claims, key_id=1, private_key=private_key, epoch=EPOCH)[4:])

    for bit in range(len(cose) * 8):
        flipped = bytearray(cose)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RejectedCode):
            check("TM1:" + base45.encode(bytes(flipped)), keys)


def test_every_truncation_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys
) -> None:
    text = sign(GENERAL, key_id=1, private_key=private_key, epoch=EPOCH)

    for length in range(len(text)):
        with pytest.raises(CodeMalformed):
            check(text[:length], keys)


@given(st.data())
def test_every_other_text_like_a_code_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, data: st.DataObject
) -> None:
    text = sign(TICKET, key_id=1, private_key=private_key, epoch=EPOCH)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 4)))
    inserted = data.draw(st.text(alphabet=base45.ALPHABET, max_size=4) | st.text(max_size=4))

    changed = text[:start] + inserted + text[end:]

    if changed != text:
        with pytest.raises(RejectedCode):
            check(changed, keys)


def test_a_text_longer_than_any_code_is_refused_before_it_is_read() -> None:
    with pytest.raises(CodeMalformed, match="longer than any code"):
        parse("TM1:" + "0" * (CODE_TEXT_CHARACTERS_MAX - 3))


@given(st.text(max_size=500))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for candidate in (text, "TM1:" + text):
        with pytest.raises(CodeMalformed):
            parse(candidate)


@given(st.binary(max_size=310))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(CodeMalformed):
        parse("TM1:" + base45.encode(data))


@given(cbor_values, cbor_values)
def test_any_cbor_is_refused_and_nothing_else_happens(whole: object, inner: object) -> None:
    header = bytes.fromhex("a2012704 4101")
    as_payload = [header, {}, cbor2.dumps(inner), bytes(64)]

    for value in (whole, [whole, inner, whole, inner], as_payload):
        with pytest.raises(CodeMalformed):
            parse("TM1:" + base45.encode(cbor2.dumps(value)))


def test_a_code_ends_at_its_expiry_to_the_millisecond(
    private_key: Ed25519PrivateKey, keys: VerificationKeys
) -> None:
    parsed = parse(sign(GENERAL, key_id=1, private_key=private_key, epoch=EPOCH))

    assert verify(parsed, keys=keys, epoch=EPOCH, now_seconds=NOW + 59.999) == GENERAL
    check_expiry(GENERAL, now_seconds=NOW + 59.999)
    for late in (NOW + 60, NOW + 60.001, NOW + 86_400):
        with pytest.raises(CodeExpired):
            verify(parsed, keys=keys, epoch=EPOCH, now_seconds=late)
        with pytest.raises(CodeExpired):
            check_expiry(GENERAL, now_seconds=late)


@pytest.mark.parametrize("epoch", [0, EPOCH - 1, EPOCH + 1, EPOCH << 8, EPOCH_MAX])
def test_a_code_of_another_epoch_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, epoch: int
) -> None:
    text = sign(GENERAL, key_id=1, private_key=private_key, epoch=epoch)

    with pytest.raises(CodeNotGenuine):
        check(text, keys)


@pytest.mark.parametrize("key_id", [0, 2, 255])
def test_a_code_of_an_unknown_key_is_refused(
    private_key: Ed25519PrivateKey, keys: VerificationKeys, key_id: int
) -> None:
    text = sign(GENERAL, key_id=key_id, private_key=private_key, epoch=EPOCH)

    with pytest.raises(CodeKeyUnknown):
        check(text, keys)


def test_the_longest_code_has_the_length_of_the_constant(private_key: Ed25519PrivateKey) -> None:
    reference = "r" * 63
    longest = CodeClaims(
        expires_at=2**32 - 1,
        cti=bytes(20),
        audience=reference,
        event_id=reference,
        ticket_id=reference,
    )

    text = sign(longest, key_id=255, private_key=private_key, epoch=EPOCH_MAX)

    assert len(text) == CODE_TEXT_CHARACTERS_MAX
    assert parse(text).claims == longest


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": 0},
        {"expires_at": 2**32},
        {"expires_at": True},
        {"expires_at": 1.5},
        {"cti": bytes(19)},
        {"cti": "c" * 20},
        {"audience": ""},
        {"audience": "a b"},
        {"audience": "a\n"},
        {"audience": "-a"},
        {"audience": "a" * 64},
        {"audience": b"a"},
        {"event_id": "e"},
        {"ticket_id": "t"},
        {"event_id": "e", "ticket_id": ""},
    ],
    ids=repr,
)
def test_claims_that_no_code_may_have_cannot_be_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|go together|reference"):
        CodeClaims(**{"expires_at": NOW, "cti": bytes(20), **wrong})  # type: ignore[arg-type] # the point


def test_reprs_and_tracebacks_do_not_show_the_code(
    private_key: Ed25519PrivateKey, keys: VerificationKeys
) -> None:
    text = sign(GENERAL, key_id=1, private_key=private_key, epoch=EPOCH)
    parsed = parse(text)
    told = repr(parsed) + repr(parsed.claims)

    for wrong in (text + "_", text[:-3] + "000", text[:-3], text + "00"):
        with pytest.raises(RejectedCode) as caught:
            check(wrong, keys)
        told += "".join(traceback.format_exception(caught.value)) + repr(caught.value)

    secret_bytes = (parsed.claims.cti, parsed.payload, parsed.signature)
    for secret in (text[10:30], *(repr(each)[2:22] for each in secret_bytes)):
        assert secret not in told


def check(text: str, keys: VerificationKeys) -> CodeClaims:
    return verify(parse(text), keys=keys, epoch=EPOCH, now_seconds=NOW)
