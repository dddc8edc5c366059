"""The code on the customer's screen: text to claims, and claims to signed text.

A code is "TM1:" and the Base45 text of an untagged COSE_Sign1 (RFC 9052) whose payload are CWT
claims (RFC 8392), signed with Ed25519. docs/code-format.md specifies it for other languages, and
tests/vectors/code_format.json has examples of every kind and of every way to be refused.

A check has ten steps, numbered alike in the specification, in the tests and here:

    parse    1 size · 2 prefix · 3 Base45 · 4 COSE envelope · 5 header · 6 claims · 7 canonical form
    verify   8 key · 9 signature · 10 expiry

Left to the caller:

    - the time: a terminal passes the server's, its own clock corrected by the measured offset, and
      a server never passes one that went back;
    - the audience: claims.audience, unless None, must be the terminal that is asking;
    - the event and ticket, and whether the code was used before: only the server knows;
    - on the server, which has the MAC key, steps 8 and 9 may be replaced by check_cti_mac.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol.code_claims import CodeClaims, claims_from_cbor, claims_to_cbor
from tallymark_protocol.code_errors import CodeExpired, CodeMalformed, CodeNotGenuine
from tallymark_protocol.code_keys import VerificationKeys
from tallymark_protocol.signed_text import SignedTextKind

__all__ = [
    "CODE_PREFIX",
    "CODE_TEXT_CHARACTERS_MAX",
    "EPOCH_MAX",
    "ParsedCode",
    "check_expiry",
    "parse",
    "sign",
    "verify",
]

CODE_PREFIX: Final = "TM1:"
"""Name and version of the format; another version has another prefix."""

CODE_TEXT_CHARACTERS_MAX: Final = 466
"""Length of the longest code: every claim present, every reference 63 characters long."""

EPOCH_MAX: Final = 2**64 - 1
"""Largest epoch: it is signed as eight bytes."""

_CODE: Final = SignedTextKind(
    prefix=CODE_PREFIX,
    characters_max=CODE_TEXT_CHARACTERS_MAX,
    context=b"tallymark",
    malformed=CodeMalformed,
    name="code",
    advice="scan the code on the customer's phone again, or ask for a new one",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedCode:
    """A text that has the form of a code; nothing in it is proved yet."""

    claims: CodeClaims
    key_id: int
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse(text: str) -> ParsedCode:
    """Check the form of a scanned text, steps 1 to 7, without any key or clock.

    Raises:
        CodeMalformed: the text is not a code in its only allowed form.

    """
    # 1 to 5. Size, prefix, Base45, COSE envelope, header.
    envelope = _CODE.open(text)

    # 6. Claims, in their only encoding.
    claims = claims_from_cbor(envelope.payload)

    # 7. Canonical form.
    _CODE.check_canonical(envelope)
    return ParsedCode(
        claims=claims,
        key_id=envelope.key_id,
        payload=envelope.payload,
        signature=envelope.signature,
    )


def verify(
    parsed: ParsedCode, *, keys: VerificationKeys, epoch: int, now_seconds: float
) -> CodeClaims:
    """Check that the server made this code and that its time is not over, steps 8 to 10.

    `epoch` and `now_seconds` are the server's, never the code's. What else must be checked is in
    the docstring of this module.

    Raises:
        CodeKeyUnknown: the key is not in the table, or not valid now.
        CodeNotGenuine: the signature does not fit the claims, the key and the epoch.
        CodeExpired: it is the expiry second of the code, or later.

    """
    # 8. Key: the table alone says which key and algorithm have this number.
    key = keys.valid_key(parsed.key_id, now_seconds)

    # 9. Signature.
    if not _CODE.is_signed(
        key.public_key,
        key_id=parsed.key_id,
        payload=parsed.payload,
        signature=parsed.signature,
        epoch=epoch,
    ):
        message = "the signature does not fit; ask the phone for a new code"
        raise CodeNotGenuine(message)

    # 10. Expiry, last: a forged code must not look like one that was good once.
    check_expiry(parsed.claims, now_seconds=now_seconds)
    return parsed.claims


def check_expiry(claims: CodeClaims, *, now_seconds: float) -> None:
    """Refuse claims whose expiry second has come; for the server, which checks the MAC instead.

    Raises:
        CodeExpired: it is the expiry second of the code, or later.

    """
    if now_seconds >= claims.expires_at:
        message = "the code has expired; ask the phone for a new code"
        raise CodeExpired(message)


def sign(claims: CodeClaims, *, key_id: int, private_key: Ed25519PrivateKey, epoch: int) -> str:
    """Return the text of a new code."""
    return _CODE.sign(claims_to_cbor(claims), key_id=key_id, private_key=private_key, epoch=epoch)
