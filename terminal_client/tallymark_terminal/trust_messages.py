"""Certificates, keys, tags and checkpoints of the contract as values; see server_connection.py."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import certificate_pb2, checkpoint_pb2, key_pb2, terminal_service_pb2
from tallymark_protocol.code_keys import VerificationKey
from tallymark_protocol.timestamps import to_milliseconds
from tallymark_terminal.checkpoint_records import SignedCheckpoint
from tallymark_terminal.identity import Certificate, Enrolment
from tallymark_terminal.key_table import KeyTable, OpenRecovery
from tallymark_terminal.server_clock import ServerTime
from tallymark_terminal.tag import Tag

__all__ = ["certificate_value", "enrolment_value", "key_table_value", "tag_value"]


def enrolment_value(message: terminal_service_pb2.EnrollResponse) -> Enrolment:
    """Return the answer of Enroll."""
    return Enrolment(
        terminal_id=message.terminal_id,
        merchant_id=message.merchant_id,
        merchant_name=message.merchant_name,
        terminal_port=message.terminal_port,
        certificate=certificate_value(message.certificate),
    )


def certificate_value(message: certificate_pb2.IssuedCertificate) -> Certificate:
    """Return a certificate."""
    return Certificate(
        certificate_pem=message.certificate_pem,
        ca_certificates_pem=message.ca_certificates_pem,
        renew_at=_time(message.renew_at),
        expires_at=_time(message.expires_at),
    )


def tag_value(message: terminal_service_pb2.GetTagResponse) -> Tag:
    """Return the answer of GetTag."""
    return Tag(
        text=message.tag, expires_at=_time(message.expires_at), next_at=_time(message.next_at)
    )


def key_table_value(
    message: terminal_service_pb2.ListVerificationKeysResponse,
    *,
    sent_at: float,
    answered_at: float,
) -> KeyTable:
    """Return the answer of ListVerificationKeys, between two moments of the steady clock."""
    half_trip_seconds = (answered_at - sent_at) / 2
    # A key of another algorithm cannot have signed a code that this version understands.
    ed25519 = [
        key for key in message.keys if key.public_key.algorithm == key_pb2.KEY_ALGORITHM_ED25519
    ]
    return KeyTable(
        keys=tuple(_key(key) for key in ed25519),
        epoch=message.epoch,
        read_at=ServerTime(
            server_seconds=message.server_time.ToNanoseconds() / 1e9,
            steady_seconds=sent_at + half_trip_seconds,
            uncertainty_seconds=half_trip_seconds,
        ),
        checkpoint=_checkpoint(message.checkpoint) if message.HasField("checkpoint") else None,
        open_recovery=OpenRecovery(
            recovery_id=message.open_recovery.recovery_id,
            lost_since=message.open_recovery.lost_since.ToNanoseconds() / 1e9,
        )
        if message.HasField("open_recovery")
        else None,
    )


def _key(message: key_pb2.VerificationKey) -> VerificationKey:
    return VerificationKey(
        key_id=message.key_id,
        public_key=Ed25519PublicKey.from_public_bytes(message.public_key.key_bytes),
        valid_from_seconds=message.valid_from.seconds,
        valid_until_seconds=message.valid_until.seconds,
    )


def _checkpoint(message: checkpoint_pb2.SignedCheckpoint) -> SignedCheckpoint:
    """Return a signed checkpoint as it came; what is wrong with it, `is_genuine` finds."""
    is_ed25519 = message.audit_key.algorithm == key_pb2.KEY_ALGORITHM_ED25519
    try:
        signed_at = to_milliseconds(message.signed_at)
    except ValueError:
        signed_at = -1
    return SignedCheckpoint(
        partition=message.partition,
        sequence=message.sequence,
        chain_hash=message.chain_hash,
        signed_at=signed_at,
        signature=message.signature,
        audit_key=message.audit_key.key_bytes if is_ed25519 else b"",
    )


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
