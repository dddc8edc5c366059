"""The cti of a code: where it is kept, what makes it unguessable, and a MAC over all it says.

    byte 0         partition that keeps the code
    bytes 1-14     random
    bytes 15-19    HMAC-SHA256, cut to 5 bytes, over
                   deterministic CBOR of ["tallymark cti", epoch, claims with the cti cut to 15]

The MAC covers every claim, so the server, which alone has the key, may believe a code's partition,
expiry, audience and ticket without the 20 times dearer signature. Forty bits stop guesses before
they cost database work, no more: that a code is good, and for whom, only its stored row says.
"""

import hashlib
import hmac
from dataclasses import replace
from typing import Final

from tallymark_protocol import strict_cbor
from tallymark_protocol.code_claims import CTI_CLAIM, CodeClaims, claims_to_map

__all__ = [
    "CTI_RANDOM_BYTES",
    "MAC_KEY_BYTES_MIN",
    "check_cti_mac",
    "cti_hash",
    "make_claims",
    "partition_of",
    "text_hash",
]

CTI_RANDOM_BYTES: Final = 14
"""112 bits: more than can be guessed, and the rest of the 20 bytes."""

MAC_KEY_BYTES_MIN: Final = 32
"""The output size of SHA-256, as RFC 2104 asks for."""

_MAC_BYTES: Final = 5
_MAC_LABEL: Final = "tallymark cti"


def make_claims(  # noqa: PLR0913 - one argument per claim, all by keyword
    *,
    partition: int,
    random: bytes,
    expires_at: int,
    audience: str | None = None,
    event_id: str | None = None,
    ticket_id: str | None = None,
    mac_key: bytes,
    epoch: int,
) -> CodeClaims:
    """Return the claims of a new code, its cti made of the partition, the random bytes and the MAC.

    Raises:
        ValueError: a value that no code may have, or a MAC key that is too short.

    """
    if not 0 <= partition <= 255 or len(random) != CTI_RANDOM_BYTES:  # noqa: PLR2004 - one byte
        message = "a cti needs a partition of one byte and 14 random bytes"
        raise ValueError(message)
    without_mac = CodeClaims(
        expires_at=expires_at,
        cti=bytes([partition]) + random + bytes(_MAC_BYTES),
        audience=audience,
        event_id=event_id,
        ticket_id=ticket_id,
    )
    mac = _mac(without_mac, mac_key=mac_key, epoch=epoch)
    return replace(without_mac, cti=without_mac.cti[:-_MAC_BYTES] + mac)


def check_cti_mac(claims: CodeClaims, *, mac_key: bytes, epoch: int) -> bool:
    """Say, in constant time, whether the holder of the MAC key made exactly these claims."""
    return hmac.compare_digest(claims.cti[-_MAC_BYTES:], _mac(claims, mac_key=mac_key, epoch=epoch))


def partition_of(cti: bytes) -> int:
    """Return the partition that keeps the code, 0 to 255."""
    return cti[0]


def cti_hash(cti: bytes) -> bytes:
    """Return the SHA-256 under which a code is stored and may be written about."""
    return hashlib.sha256(cti).digest()


def text_hash(text: str) -> bytes:
    """Return the SHA-256 of a code's text, which differs for every change, of the signature too.

    A server that checks the MAC instead of the signature compares it with the one of issue.
    """
    return hashlib.sha256(text.encode()).digest()


def _mac(claims: CodeClaims, *, mac_key: bytes, epoch: int) -> bytes:
    if len(mac_key) < MAC_KEY_BYTES_MIN:
        message = "the MAC key must have at least 32 bytes"
        raise ValueError(message)
    covered = claims_to_map(claims) | {CTI_CLAIM: claims.cti[:-_MAC_BYTES]}
    message_bytes = strict_cbor.encode([_MAC_LABEL, epoch, covered])
    return hmac.digest(mac_key, message_bytes, "sha256")[:_MAC_BYTES]
