"""Checkpoints: one text each, and a signature over all of it."""

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.checkpoint import (
    Checkpoint,
    NotACheckpoint,
    ShortCheckpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)

SIGNED_AT = 1_790_000_000_123
CHECKPOINT = Checkpoint(partition=0, sequence=1234, chain_hash=bytes(range(32)))
SHORT = "tmc1:0:1234:000102030405060708090a0b0c0d0e0f"

checkpoints = st.builds(
    Checkpoint,
    partition=st.integers(0, 255),
    sequence=st.integers(0, 2**63 - 1),
    chain_hash=st.binary(min_size=32, max_size=32),
)


def test_short_form_is_that_of_the_specification() -> None:
    assert str(CHECKPOINT) == str(CHECKPOINT.short()) == SHORT


@given(checkpoints)
def test_short_form_is_read_again(checkpoint: Checkpoint) -> None:
    short = parse_checkpoint(str(checkpoint))

    assert short == checkpoint.short()
    assert str(short) == str(checkpoint)
    assert short.fits(checkpoint.chain_hash)


@given(checkpoints, st.integers(0, 255))
def test_checkpoint_fits_no_other_chain_value(checkpoint: Checkpoint, bit: int) -> None:
    flipped = bytearray(checkpoint.chain_hash)
    flipped[bit // 8] ^= 1 << bit % 8

    assert checkpoint.fits(checkpoint.chain_hash)
    assert not checkpoint.fits(bytes(flipped))
    assert checkpoint.short().fits(bytes(flipped)) is (bit >= 128)
    assert not checkpoint.fits(b"")
    assert not checkpoint.short().fits(b"")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tmc1",
        SHORT[1:],
        SHORT.upper(),
        " " + SHORT,
        SHORT + "\n",
        SHORT + "0",
        SHORT[:-1],
        SHORT.replace("tmc1", "tmc2"),
        SHORT.replace(":0:", ":00:"),
        SHORT.replace(":0:", ":256:"),
        SHORT.replace(":0:", ":-1:"),
        SHORT.replace(":0:", "::"),
        SHORT.replace("1234", "01234"),
        SHORT.replace("1234", "+1234"),
        SHORT.replace("1234", "1_234"),
        SHORT.replace("1234", "1234.0"),
        SHORT.replace("1234", str(2**63)),
        SHORT.replace("1234", "9" * 30),
        SHORT.replace("1234", "١٢٣٤"),
        SHORT.replace("0a0b", "0A0B"),
        SHORT.replace("0a0b", "0x0b"),
        SHORT + ":1",
    ],
)
def test_other_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NotACheckpoint):
        parse_checkpoint(text)


@given(st.text(max_size=60))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for candidate in (text, "tmc1:0:1:" + text):
        try:
            short = parse_checkpoint(candidate)
        except NotACheckpoint:
            continue
        assert str(short) == candidate


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": -1},
        {"partition": 256},
        {"partition": True},
        {"sequence": -1},
        {"sequence": 2**63},
        {"sequence": 1.0},
        {"chain_hash": bytes(31)},
        {"chain_hash": bytes(33)},
        {"chain_hash": "0" * 32},
    ],
    ids=repr,
)
def test_values_that_no_checkpoint_has_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"whole|bytes"):
        replace(CHECKPOINT, **wrong)


def test_short_checkpoint_has_half_of_the_chain_value() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        ShortCheckpoint(partition=0, sequence=1, hash_start=bytes(32))


def test_what_is_signed_is_the_cbor_of_the_specification() -> None:
    assert CHECKPOINT.to_sign(signed_at=SIGNED_AT) == cbor2.dumps(
        ["tallymark checkpoint", 1, 0, 1234, bytes(range(32)), SIGNED_AT]
    )


def test_signature_fits_this_checkpoint_time_and_key_only(private_key: Ed25519PrivateKey) -> None:
    public_key = private_key.public_key()
    signature = sign_checkpoint(CHECKPOINT, signed_at=SIGNED_AT, private_key=private_key)

    def fits(
        checkpoint: Checkpoint = CHECKPOINT,
        *,
        signed_at: int = SIGNED_AT,
        signature: bytes = signature,
    ) -> bool:
        return verify_checkpoint(
            checkpoint, signed_at=signed_at, signature=signature, public_key=public_key
        )

    assert fits()
    assert not fits(replace(CHECKPOINT, partition=1))
    assert not fits(replace(CHECKPOINT, sequence=1235))
    assert not fits(replace(CHECKPOINT, chain_hash=bytes(32)))
    assert not fits(signed_at=SIGNED_AT + 1)
    assert not fits(signature=signature[:-1])
    assert not fits(signature=Ed25519PrivateKey.generate().sign(bytes(64)))
    assert not verify_checkpoint(
        CHECKPOINT,
        signed_at=SIGNED_AT,
        signature=signature,
        public_key=Ed25519PrivateKey.generate().public_key(),
    )


def test_time_before_1970_is_not_signed(private_key: Ed25519PrivateKey) -> None:
    with pytest.raises(ValueError, match="whole"):
        sign_checkpoint(CHECKPOINT, signed_at=-1, private_key=private_key)
