"""A double of the server's journal: it only shows checkpoints, and can be made to lie."""

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import checkpoint_pb2, key_pb2
from tallymark_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallymark_protocol.timestamps import to_timestamp

__all__ = ["JournalDouble"]


class JournalDouble:
    """Grows by an entry with each checkpoint that is asked for."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        self.audit_key = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
        self.sequence = 100
        self.history = "as it was"
        """Another text makes another chain value for every entry."""
        self._now = now

    def grow(self) -> Checkpoint:
        """Write an entry and return the checkpoint after it."""
        self.sequence += 1
        chain_hash = hashlib.sha256(f"{self.history} {self.sequence}".encode()).digest()
        return Checkpoint(partition=0, sequence=self.sequence, chain_hash=chain_hash)

    def signed(self) -> checkpoint_pb2.SignedCheckpoint:
        """Return the next checkpoint, signed now."""
        checkpoint, signed_at = self.grow(), int(self._now() * 1000)
        return checkpoint_pb2.SignedCheckpoint(
            partition=checkpoint.partition,
            sequence=checkpoint.sequence,
            chain_hash=checkpoint.chain_hash,
            signed_at=to_timestamp(signed_at),
            signature=sign_checkpoint(checkpoint, signed_at=signed_at, private_key=self.audit_key),
            audit_key=key_pb2.PublicKey(
                algorithm=key_pb2.KEY_ALGORITHM_ED25519,
                key_bytes=self.audit_key.public_key().public_bytes_raw(),
            ),
        )
