"""Codes as text: always the same for the same request, and checked before any row is looked up."""

from typing import NamedTuple

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_errors import RejectedCode
from tallymark_protocol.code_format import parse, sign
from tallymark_protocol.code_identifier import (
    check_cti_mac,
    cti_hash,
    make_claims,
    partition_of,
    text_hash,
)
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.model.people import TicketReference
from tallymark_server.keyring import Keyring

__all__ = ["CodeMaker", "MadeCode", "ReadCode"]


class MadeCode(NamedTuple):
    """A code with what is stored of it."""

    text: str
    cti_hash: str
    text_hash: str


class ReadCode(NamedTuple):
    """Where a shown code is stored, if it is: partition, expiry second, and hashes."""

    partition: int
    expires_at_seconds: int
    cti_hash: str
    text_hash: str


class CodeMaker:
    """Makes and reads codes with the server's keys."""

    def __init__(self, keyring: Keyring) -> None:
        """Take the keys."""
        self._keyring = keyring

    def make(
        self,
        *names: str,
        partition: int,
        expires_at_seconds: int,
        audience: str,
        ticket: TicketReference | None,
    ) -> MadeCode:
        """Return the code that belongs to these names (caller and request) with these claims."""
        claims = make_claims(
            partition=partition,
            random=self._keyring.derive_bytes(14, "code", *names),
            expires_at=expires_at_seconds,
            audience=audience or None,
            event_id=ticket.event_id if ticket else None,
            ticket_id=ticket.ticket_id if ticket else None,
            mac_key=self._keyring.code_mac_key,
            epoch=self._keyring.epoch,
        )
        text = sign(
            claims,
            key_id=self._keyring.signing_key_id,
            private_key=self._keyring.signing_key,
            epoch=self._keyring.epoch,
        )
        return MadeCode(text, cti_hash(claims.cti).hex(), text_hash(text).hex())

    def read(self, text: str) -> ReadCode:
        """Return where the code is stored.

        Raises:
            Refused: CODE_MALFORMED, CODE_KEY_UNKNOWN, CODE_NOT_GENUINE; no row was looked up.

        """
        try:
            parsed = parse(text)
        except RejectedCode as error:
            raise Refused(Reason(error.reason)) from None
        if parsed.key_id != self._keyring.signing_key_id:
            raise Refused(Reason.CODE_KEY_UNKNOWN)
        claims: CodeClaims = parsed.claims
        if not check_cti_mac(claims, mac_key=self._keyring.code_mac_key, epoch=self._keyring.epoch):
            raise Refused(Reason.CODE_NOT_GENUINE)
        return ReadCode(
            partition=partition_of(claims.cti),
            expires_at_seconds=claims.expires_at,
            cti_hash=cti_hash(claims.cti).hex(),
            text_hash=text_hash(text).hex(),
        )
