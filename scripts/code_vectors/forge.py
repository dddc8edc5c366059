"""The material of the vectors, and codes put together by hand.

Nothing here comes from the code format's own library, which the vectors are meant to test.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol import base45

__all__ = [
    "EPOCH",
    "EXPIRES_AT",
    "HEADER_START",
    "KEY_1_ENDS",
    "KEY_2_BEGINS",
    "MAC_KEY",
    "NOW",
    "SEED_1",
    "SEED_2",
    "SEED_UNKNOWN",
    "InvalidCode",
    "envelope",
    "external_aad",
    "key",
    "sign",
    "signed_text",
    "to_text",
]

EPOCH: Final = 7
NOW: Final = 1_790_000_000
EXPIRES_AT: Final = NOW + 60
KEY_1_ENDS: Final = NOW + 86_400
KEY_2_BEGINS: Final = NOW - 3_600
HEADER_START: Final = "a201270441"

SEED_1: Final = hashlib.sha256(b"tallymark test vector key 1").digest()
SEED_2: Final = hashlib.sha256(b"tallymark test vector key 2").digest()
SEED_UNKNOWN: Final = hashlib.sha256(b"tallymark test vector unknown key").digest()
MAC_KEY: Final = hashlib.sha256(b"tallymark test vector MAC key").digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class InvalidCode:
    """A text to refuse, the step that refuses it, and the reason to give."""

    step: int
    name: str
    text: str
    reason: str
    now_seconds: int = NOW


def external_aad(epoch: int) -> bytes:
    """Return what is signed besides the code: the name of the system and the epoch."""
    return b"tallymark" + epoch.to_bytes(8, "big")


def sign(
    header: bytes,
    payload: bytes,
    seed: bytes = SEED_1,
    *,
    aad: bytes = external_aad(EPOCH),
    context: str = "Signature1",
) -> bytes:
    """Return the signature over the Sig_structure, each part of which can be wrong."""
    return key(seed).sign(cbor2.dumps([context, header, aad, payload]))


def envelope(header: bytes, payload: bytes, signature: bytes) -> bytes:
    """Return the COSE_Sign1 message of any three parts."""
    return b"\x84" + cbor2.dumps(header) + b"\xa0" + cbor2.dumps(payload) + cbor2.dumps(signature)


def to_text(cose: bytes) -> str:
    """Return the text that would be shown."""
    return "TM1:" + base45.encode(cose)


def signed_text(header: bytes, payload: bytes, seed: bytes = SEED_1) -> str:
    """Return a text whose signature is good, whatever it says."""
    return to_text(envelope(header, payload, sign(header, payload, seed)))


def key(seed: bytes) -> Ed25519PrivateKey:
    """Return the private key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed)
