"""Where the journal stands, told to everybody, so that nobody can change it unnoticed."""

from typing import Final

from tallymark.v1 import checkpoint_pb2, key_pb2
from tallymark_protocol.checkpoint import Checkpoint
from tallymark_server.clock import Clock
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.journal import JournalHead
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.values_out import time_message

__all__ = ["CHECKPOINT_KEY", "Checkpoints"]

CHECKPOINT_KEY: Final = "tallymark-checkpoint"
"""Trailing metadata in which every answer carries the newest checkpoint in short."""


class Checkpoints:
    """Tells the newest checkpoint of what is durable."""

    def __init__(self, *, lane: Lane, keyring: Keyring, clock: Clock) -> None:
        """Take the parts it works with."""
        self._lane = lane
        self._keyring = keyring
        self._clock = clock
        self._told: tuple[JournalHead | None, str] = None, ""

    async def text(self) -> str:
        """Return the newest checkpoint in short; all answers of a batch carry the same."""
        head = await self._lane.journal_head(DIRECTORY)
        if self._told[0] is not head:
            self._told = head, str(await self.newest())
        return self._told[1]

    async def newest(self, partition: int = DIRECTORY) -> Checkpoint:
        """Return the journal's end."""
        head = await self._lane.journal_head(partition)
        return Checkpoint(partition=partition, sequence=head.sequence, chain_hash=head.chain_hash)

    async def signed(self, partition: int = DIRECTORY) -> checkpoint_pb2.SignedCheckpoint:
        """Return the journal's end with the server's signature."""
        newest = await self.newest(partition)
        signed_at = self._clock.now()
        return checkpoint_pb2.SignedCheckpoint(
            partition=newest.partition,
            sequence=newest.sequence,
            chain_hash=newest.chain_hash,
            signed_at=time_message(signed_at),
            signature=self._keyring.sign_checkpoint(newest.to_sign(signed_at=signed_at)),
            audit_key=key_pb2.PublicKey(
                algorithm=key_pb2.KEY_ALGORITHM_ED25519,
                key_bytes=self._keyring.audit_public_key.public_bytes_raw(),
            ),
        )
