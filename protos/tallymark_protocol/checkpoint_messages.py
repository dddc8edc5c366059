"""Signed checkpoints as servers send them."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallymark.v1 import checkpoint_pb2, key_pb2
from tallymark_protocol.certificate_request import public_key_hash
from tallymark_protocol.checkpoint import Checkpoint, verify_checkpoint
from tallymark_protocol.timestamps import to_milliseconds

__all__ = ["ReceivedCheckpoint", "received_checkpoint"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedCheckpoint:
    """A checkpoint with what its signature is worth."""

    checkpoint: Checkpoint
    audit_key_hash: str
    """Hash of the key beside it: compare it with that of the first checkpoint you kept."""

    is_genuine: bool
    """Whether the holder of that key signed the checkpoint."""


def received_checkpoint(message: checkpoint_pb2.SignedCheckpoint) -> ReceivedCheckpoint:
    """Return the checkpoint of a message.

    Raises:
        ValueError: values that no checkpoint has, or a key of another algorithm than Ed25519.

    """
    if message.audit_key.algorithm != key_pb2.KEY_ALGORITHM_ED25519:
        text = "the key of a checkpoint is one of Ed25519"
        raise ValueError(text)
    public_key = Ed25519PublicKey.from_public_bytes(message.audit_key.key_bytes)
    checkpoint = Checkpoint(
        partition=message.partition, sequence=message.sequence, chain_hash=message.chain_hash
    )
    is_genuine = verify_checkpoint(
        checkpoint,
        signed_at=to_milliseconds(message.signed_at),
        signature=message.signature,
        public_key=public_key,
    )
    return ReceivedCheckpoint(
        checkpoint=checkpoint, audit_key_hash=public_key_hash(public_key), is_genuine=is_genuine
    )
