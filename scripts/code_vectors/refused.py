"""Codes of good form that are refused all the same, by the steps 8 to 10 of the check."""

from collections.abc import Iterator
from typing import Final

from code_vectors.forge import (
    EPOCH,
    EXPIRES_AT,
    HEADER_START,
    KEY_1_ENDS,
    KEY_2_BEGINS,
    SEED_1,
    SEED_2,
    SEED_UNKNOWN,
    InvalidCode,
    envelope,
    external_aad,
    key,
    sign,
    signed_text,
    to_text,
)
from tallymark_protocol import base45

__all__ = ["refused_codes"]

_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def refused_codes(good_text: str) -> Iterator[InvalidCode]:
    """Yield each code to refuse, made from a good one without audience and ticket."""
    good = base45.decode(good_text[4:])
    yield from _bad_keys(good)
    for name, cose in (*_altered(good), *_signed_wrongly(good)):
        text = to_text(cose)
        yield InvalidCode(step=9, name=name, text=text, reason="CODE_NOT_GENUINE")
    yield InvalidCode(
        step=9,
        name="forged and expired: the forgery is told, not the expiry",
        text=to_text(_with_bit_changed(good, len(good) - 1)),
        reason="CODE_NOT_GENUINE",
        now_seconds=EXPIRES_AT + 1,
    )
    for name, now in (
        ("at the expiry second", EXPIRES_AT),
        ("one second after the expiry", EXPIRES_AT + 1),
        ("an hour after the expiry", EXPIRES_AT + 3600),
    ):
        yield InvalidCode(
            step=10, name=name, text=good_text, reason="CODE_EXPIRED", now_seconds=now
        )


def _bad_keys(good: bytes) -> Iterator[InvalidCode]:
    for name, seed, key_id, now in (
        ("key not in the table", SEED_UNKNOWN, "63", EXPIRES_AT - 60),
        ("key not valid yet", SEED_2, "02", KEY_2_BEGINS - 1),
        ("key at the second from which it is refused", SEED_1, "01", KEY_1_ENDS),
        ("key long over", SEED_1, "01", KEY_1_ENDS + 86_400),
    ):
        yield InvalidCode(
            step=8,
            name=name,
            text=signed_text(bytes.fromhex(HEADER_START + key_id), good[11:40], seed),
            reason="CODE_KEY_UNKNOWN",
            now_seconds=now,
        )


def _altered(good: bytes) -> Iterator[tuple[str, bytes]]:
    header, payload, signature = good[2:8], good[11:40], good[42:]
    later = payload[:3] + (EXPIRES_AT + 3600).to_bytes(4, "big") + payload[7:]
    with_audience = b"\xa3\x03\x66lane-1" + payload[1:]
    scalar = int.from_bytes(good[-32:], "little") + _ED25519_ORDER
    yield "one bit of the signature changed", _with_bit_changed(good, len(good) - 1)
    yield "signature of zeros", good[:-64] + bytes(64)
    yield "signature with a scalar beyond the order", good[:-32] + scalar.to_bytes(32, "little")
    yield "one bit of the partition changed", _with_bit_changed(good, 20)
    yield "one bit of the random bytes changed", _with_bit_changed(good, 25)
    yield "one bit of the MAC changed", _with_bit_changed(good, 39)
    yield "expiry put off by an hour", envelope(header, later, signature)
    yield "audience added", envelope(header, with_audience, signature)
    yield "audience taken away", envelope(header, payload, sign(header, with_audience))
    yield "number of another valid key", good[:7] + b"\x02" + good[8:]


def _signed_wrongly(good: bytes) -> Iterator[tuple[str, bytes]]:
    header, payload = good[2:8], good[11:40]
    for name, signature in (
        ("signed by another valid key", sign(header, payload, SEED_2)),
        ("signed by a stranger", sign(header, payload, SEED_UNKNOWN)),
        ("signed in the next epoch", sign(header, payload, aad=external_aad(EPOCH + 1))),
        ("signed in the epoch before", sign(header, payload, aad=external_aad(EPOCH - 1))),
        ("signed without external data", sign(header, payload, aad=b"")),
        (
            "signed with the epoch in four bytes",
            sign(header, payload, aad=b"tallymark" + bytes([0, 0, 0, EPOCH])),
        ),
        ("signed as a countersignature", sign(header, payload, context="CounterSignature0")),
        ("payload signed alone", key(SEED_1).sign(payload)),
    ):
        yield name, envelope(header, payload, signature)


def _with_bit_changed(cose: bytes, index: int) -> bytes:
    return cose[:index] + bytes([cose[index] ^ 1]) + cose[index + 1 :]
