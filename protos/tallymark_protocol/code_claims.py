"""What a code says, as a value and as the CBOR claims set of RFC 8392."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from tallymark_protocol import strict_cbor
from tallymark_protocol.code_errors import CodeMalformed

__all__ = [
    "CTI_BYTES",
    "CTI_CLAIM",
    "EXPIRY_SECONDS_MAX",
    "REFERENCE_CHARACTERS_MAX",
    "CodeClaims",
    "claims_from_cbor",
    "claims_to_cbor",
    "claims_to_map",
]

CTI_CLAIM: Final = 7
"""Key of the cti in the claims map (RFC 8392)."""

CTI_BYTES: Final = 20
"""1 of partition, 14 random, 5 of MAC: see code_identifier.py."""

EXPIRY_SECONDS_MAX: Final = 2**32 - 1
"""Largest exp claim, in the year 2106: it always fits the five bytes that the sizes count on."""

REFERENCE_CHARACTERS_MAX: Final = 63
"""Longest terminal, event or ticket reference, the same bound as in the contracts."""

_REFERENCE: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9-]{{0,{REFERENCE_CHARACTERS_MAX - 1}}}")

_AUDIENCE: Final = 3  # CWT aud
_EXPIRY: Final = 4  # CWT exp
_TICKET: Final = -65537  # the first number that RFC 8392 leaves to private use


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeClaims:
    """The claims of a code; its repr leaves out the cti, which is as good as the code.

    Raises:
        ValueError: a value that no code may have.

    """

    expires_at: int
    """Second since 1970 from which the code is refused, 1 to EXPIRY_SECONDS_MAX."""

    cti: bytes = field(repr=False)
    """Identifier of the code, 20 bytes, secret until the code is dead."""

    audience: str | None = None
    """Reference of the only terminal at which the code is good, or None for all."""

    event_id: str | None = None
    """Event of the ticket; given exactly for the purpose ticket, together with ticket_id."""

    ticket_id: str | None = None
    """Reference of the ticket within its event."""

    def __post_init__(self) -> None:
        """Refuse every value that no code may have, whoever built it."""
        # type(), not isinstance(): CBOR's true must not pass for the number 1.
        if type(self.expires_at) is not int or not 1 <= self.expires_at <= EXPIRY_SECONDS_MAX:
            message = "the expiry must be a whole number of seconds, 1 to 4294967295"
            raise ValueError(message)
        if type(self.cti) is not bytes or len(self.cti) != CTI_BYTES:
            message = "the cti must be 20 bytes"
            raise ValueError(message)
        if (self.event_id is None) is not (self.ticket_id is None):
            message = "event and ticket go together: give both or none"
            raise ValueError(message)
        for reference in (self.audience, self.event_id, self.ticket_id):
            if reference is not None and not _is_reference(reference):
                message = "a reference is 1 to 63 letters, digits and hyphens, no hyphen first"
                raise ValueError(message)


def claims_to_map(claims: CodeClaims) -> dict[int, object]:
    """Return the claims as the map that is encoded, absent claims left out."""
    entries: dict[int, object] = {_EXPIRY: claims.expires_at, CTI_CLAIM: claims.cti}
    if claims.audience is not None:
        entries[_AUDIENCE] = claims.audience
    if claims.event_id is not None:
        entries[_TICKET] = [claims.event_id, claims.ticket_id]
    return entries


def claims_to_cbor(claims: CodeClaims) -> bytes:
    """Return the payload of a code: the claims in deterministic CBOR."""
    return strict_cbor.encode(claims_to_map(claims))


def claims_from_cbor(payload: bytes) -> CodeClaims:
    """Return the claims of a payload.

    Raises:
        CodeMalformed: not deterministic CBOR, a claim that is missing or unknown, a wrong type, or
            a value that no code may have.

    """
    try:
        claims = _claims_from_entries(strict_cbor.decode(payload, depth_max=2))
    except ValueError as error:
        message = f"the claims are not those of a code ({error}); ask the phone for a new one"
        raise CodeMalformed(message) from None
    if claims_to_cbor(claims) != payload:
        message = "the claims are not deterministic CBOR or say more than a code may say"
        raise CodeMalformed(message)
    return claims


def _claims_from_entries(entries: object) -> CodeClaims:
    """Take what is understood; CodeClaims checks the types, the comparison finds all the rest."""
    if not isinstance(entries, dict):
        message = "they are not a map"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for the caller to turn
    ticket = entries.get(_TICKET)
    event_id, ticket_id = ticket if _is_pair(ticket) else (None, None)
    return CodeClaims(
        expires_at=entries.get(_EXPIRY, 0),
        cti=entries.get(CTI_CLAIM, b""),
        audience=entries.get(_AUDIENCE),
        event_id=event_id,
        ticket_id=ticket_id,
    )


def _is_pair(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and len(value) == 2  # noqa: PLR2004 - event and ticket


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
