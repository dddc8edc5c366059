"""Real signed codes for the pictures, the same in every run."""

import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_format import sign

FOREIGN_TEXT = "https://example.org/menu?table=7"


@cache
def code_text(customer: int) -> str:
    """Return a general code: 163 characters, QR version 7-M."""
    return _signed(CodeClaims(expires_at=1_900_000_000, cti=_twenty_bytes(customer)))


@cache
def longest_code_text(customer: int) -> str:
    """Return a code with every claim at its longest: 466 characters."""
    return _signed(
        CodeClaims(
            expires_at=1_900_000_000,
            cti=_twenty_bytes(customer),
            audience="a" * 63,
            event_id="e" * 63,
            ticket_id="t" * 63,
        )
    )


def _twenty_bytes(customer: int) -> bytes:
    return hashlib.sha256(b"customer %d" % customer).digest()[:20]


def _signed(claims: CodeClaims) -> str:
    private_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return sign(claims, key_id=1, private_key=private_key, epoch=1)
