"""The tag of a terminal: which one it is, said by the server, for phones to read before they pay.

A phone that has read a tag asks for a code that is good at this terminal only, so a code that is
photographed on its way is worth nothing elsewhere. A tag is "TT1:" and a signed text
(signed_text.py) whose payload are CWT claims (RFC 8392): the terminal, its merchant, an expiry and
eight random bytes, so that each tag that a display shows is another one.

Tags are no secrets: whoever stands there reads them. What a tag cannot do is tell where it hangs. A
printed one can be pasted over another's, so a customer compares the name that the phone shows.

A check has the ten steps of code_format.py, and every one that fails is told as TAG_INVALID.
docs/signatures.md specifies this for other languages.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol import strict_cbor
from tallymark_protocol.code_claims import EXPIRY_SECONDS_MAX
from tallymark_protocol.code_errors import CodeKeyUnknown
from tallymark_protocol.code_keys import VerificationKeys
from tallymark_protocol.signed_text import SignedTextKind
from tallymark_protocol.strict_values import (
    demand,
    demand_bytes,
    demand_number,
    demand_text,
    list_of,
    map_of,
)

__all__ = [
    "NONCE_BYTES",
    "TAG_PREFIX",
    "TAG_TEXT_CHARACTERS_MAX",
    "ParsedTag",
    "RejectedTag",
    "TagClaims",
    "TagKind",
    "parse",
    "sign",
    "verify",
]

TAG_PREFIX: Final = "TT1:"
"""Name and version of the format; another version has another prefix."""

TAG_TEXT_CHARACTERS_MAX: Final = 352
"""Length of the longest tag: both ids 63 characters long."""

NONCE_BYTES: Final = 8
"""Random bytes that make each tag another one."""

_SUBJECT: Final = 2  # CWT sub: the terminal
_EXPIRY: Final = 4  # CWT exp
_NONCE: Final = 7  # CWT cti
_PLACE: Final = -65538  # private use: the merchant, and the kind of the tag
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class RejectedTag(Exception):
    """The text is not a tag of this server that is good now."""

    reason: ClassVar[str] = "TAG_INVALID"


_TAG: Final = SignedTextKind(
    prefix=TAG_PREFIX,
    characters_max=TAG_TEXT_CHARACTERS_MAX,
    context=b"tallymark tag",
    malformed=RejectedTag,
    name="tag",
    advice="scan the tag at the terminal again",
)


class TagKind(IntEnum):
    """Where the tag is read from; numbers as they are signed."""

    DISPLAY = 1
    """Shown, and replaced before it expires."""

    PRINTED = 2
    """On paper, good for long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TagClaims:
    """What a tag says.

    Raises:
        ValueError: a value that no tag may have.

    """

    terminal_id: str
    merchant_id: str

    expires_at: int
    """Second since 1970 from which the tag is refused, 1 to EXPIRY_SECONDS_MAX."""

    kind: TagKind
    nonce: bytes

    def __post_init__(self) -> None:
        """Refuse every value that no tag may have, whoever built it."""
        for name in (self.terminal_id, self.merchant_id):
            demand_text(name)
            demand(_ID.fullmatch(name) is not None, "an id is small letters, digits and hyphens")
        demand_number(self.expires_at, EXPIRY_SECONDS_MAX)
        demand(self.expires_at > 0, "a tag has an end")
        demand_bytes(self.nonce, NONCE_BYTES)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedTag:
    """A text that has the form of a tag; nothing in it is proved yet."""

    claims: TagClaims
    key_id: int
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse(text: str) -> ParsedTag:
    """Check the form of a scanned text, steps 1 to 7, without any key or clock.

    Raises:
        RejectedTag: the text is not a tag in its only allowed form.

    """
    # 1 to 5. Size, prefix, Base45, COSE envelope, header.
    envelope = _TAG.open(text)

    # 6. Claims, in their only encoding.
    claims = _claims_from_cbor(envelope.payload)

    # 7. Canonical form.
    _TAG.check_canonical(envelope)
    return ParsedTag(
        claims=claims,
        key_id=envelope.key_id,
        payload=envelope.payload,
        signature=envelope.signature,
    )


def verify(
    parsed: ParsedTag, *, keys: VerificationKeys, epoch: int, now_seconds: float
) -> TagClaims:
    """Check that the server made this tag and that its time is not over, steps 8 to 10.

    Left to the caller: whether the terminal may still call, and belongs to that merchant.

    Raises:
        RejectedTag: the key is not valid now, the signature does not fit, or the tag has expired.

    """
    # 8. Key: the table alone says which key and algorithm have this number.
    try:
        key = keys.valid_key(parsed.key_id, now_seconds)
    except CodeKeyUnknown:
        message = f"no key {parsed.key_id} is valid now; scan the tag at the terminal again"
        raise RejectedTag(message) from None

    # 9. Signature.
    is_signed = _TAG.is_signed(
        key.public_key,
        key_id=parsed.key_id,
        payload=parsed.payload,
        signature=parsed.signature,
        epoch=epoch,
    )
    if not is_signed:
        message = "the signature of the tag does not fit; do not pay here"
        raise RejectedTag(message)

    # 10. Expiry, last: a forged tag must not look like one that was good once.
    if now_seconds >= parsed.claims.expires_at:
        message = "the tag has expired; scan the one that the terminal shows now"
        raise RejectedTag(message)
    return parsed.claims


def sign(claims: TagClaims, *, key_id: int, private_key: Ed25519PrivateKey, epoch: int) -> str:
    """Return the text of a new tag."""
    return _TAG.sign(_claims_to_cbor(claims), key_id=key_id, private_key=private_key, epoch=epoch)


def _claims_to_cbor(claims: TagClaims) -> bytes:
    return strict_cbor.encode(
        {
            _SUBJECT: claims.terminal_id,
            _EXPIRY: claims.expires_at,
            _NONCE: claims.nonce,
            _PLACE: [claims.merchant_id, claims.kind.value],
        }
    )


def _claims_from_cbor(payload: bytes) -> TagClaims:
    """Take what is understood; TagClaims checks the types, the comparison finds all the rest."""
    try:
        entries = map_of(strict_cbor.decode(payload, depth_max=2))
        merchant_id, kind = list_of(entries.get(_PLACE), 2)
        claims = TagClaims(
            terminal_id=entries.get(_SUBJECT, ""),
            merchant_id=merchant_id,
            expires_at=entries.get(_EXPIRY, 0),
            kind=TagKind(kind),
            nonce=entries.get(_NONCE, b""),
        )
    except ValueError:
        message = "the claims are not those of a tag; scan the tag at the terminal again"
        raise RejectedTag(message) from None
    if _claims_to_cbor(claims) != payload:
        message = "the claims are not deterministic CBOR or say more than a tag may say"
        raise RejectedTag(message)
    return claims
