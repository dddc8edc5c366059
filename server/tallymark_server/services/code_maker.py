"""Codes as text: always the same for the same request, and checked before any row is looked up."""

from typing import NamedTuple

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_errors import RejectedCode
from tallymark_protocol.code_format import ParsedCode, parse, sign
from tallymark_protocol.code_identifier import (
    check_cti_mac,
    cti_hash,
    make_claims,
    partition_of,
    text_hash,
)
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain.model.people import TicketReference
from tallymark_server.keyring import Keyring
from tallymark_server.keys.signing import SigningKey
from tallymark_server.services.issued_codes import IssuedCode, IssuedCodes

__all__ = ["CodeMaker", "MadeCode"]


class MadeCode(NamedTuple):
    """A code with where it will be stored."""

    text: str
    issued: IssuedCode


class CodeMaker:
    """Makes and reads codes with the server's keys."""

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        """Take the keys and the time."""
        self._keyring = keyring
        self._clock = clock
        self._issued = IssuedCodes()

    def make(
        self,
        *names: str,
        partition: int,
        expires_at_seconds: int,
        audience: str,
        ticket: TicketReference | None,
        key_id: int | None = None,
    ) -> MadeCode:
        """Return the code that belongs to these names (caller and request) with these claims.

        A code that is made again needs the key that it was signed with; a new one takes the one in
        use.

        Raises:
            Refused: CODE_KEY_UNKNOWN, there is no key with this number any more.

        """
        ring = self._keyring.signing
        key = ring.current if key_id is None else ring.find(key_id)
        if key is None:
            raise Refused(Reason.CODE_KEY_UNKNOWN)
        claims = make_claims(
            partition=partition,
            random=self._keyring.derive_bytes(14, "code", *names),
            expires_at=expires_at_seconds,
            audience=audience or None,
            event_id=ticket.event_id if ticket else None,
            ticket_id=ticket.ticket_id if ticket else None,
            mac_key=key.mac_key,
            epoch=self._keyring.epoch,
        )
        text = sign(
            claims,
            key_id=key.key_id,
            private_key=key.private_key,
            epoch=self._keyring.epoch,
        )
        return MadeCode(text, _stored(text, claims, key.key_id))

    def remember(self, made: MadeCode) -> None:
        """Keep in mind that this code was issued."""
        self._issued.remember(made.issued)

    def read(self, text: str) -> IssuedCode:
        """Return where the code is stored. One that was issued lately is known by its text.

        Raises:
            Refused: CODE_MALFORMED, CODE_KEY_UNKNOWN, CODE_NOT_GENUINE; no row was looked up.

        """
        known = self._issued.find(text_hash(text).hex())
        if known is not None:
            self._valid_key(known.key_id)  # its key may have been given up since
            return known
        parsed = _parsed(text)
        key = self._valid_key(parsed.key_id)
        if not check_cti_mac(parsed.claims, mac_key=key.mac_key, epoch=self._keyring.epoch):
            raise Refused(Reason.CODE_NOT_GENUINE)
        read = _stored(text, parsed.claims, parsed.key_id)
        if self._issued.is_altered(read.cti_hash, read.text_hash):
            raise Refused(Reason.CODE_NOT_GENUINE)
        return read

    def read_gone(self, text: str) -> IssuedCode:
        """Return where a code is stored whose key is gone, for finding what was decided before.

        Raises:
            Refused: CODE_MALFORMED, CODE_KEY_UNKNOWN, CODE_NOT_GENUINE; no row was looked up.

        """
        parsed = _parsed(text)
        mac_key = self._keyring.signing.gone_mac_key(parsed.key_id)
        if mac_key is None:
            raise Refused(Reason.CODE_KEY_UNKNOWN)
        if not check_cti_mac(parsed.claims, mac_key=mac_key, epoch=self._keyring.epoch):
            raise Refused(Reason.CODE_NOT_GENUINE)
        return _stored(text, parsed.claims, parsed.key_id)

    def _valid_key(self, key_id: int) -> SigningKey:
        key = self._keyring.signing.find_valid(key_id, self._clock.now())
        if key is None:
            raise Refused(Reason.CODE_KEY_UNKNOWN)
        return key


def _parsed(text: str) -> ParsedCode:
    try:
        return parse(text)
    except RejectedCode as error:
        raise Refused(Reason(error.reason)) from None


def _stored(text: str, claims: CodeClaims, key_id: int) -> IssuedCode:
    return IssuedCode(
        partition=partition_of(claims.cti),
        expires_at_seconds=claims.expires_at,
        cti_hash=cti_hash(claims.cti).hex(),
        text_hash=text_hash(text).hex(),
        key_id=key_id,
    )
