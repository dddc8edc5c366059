"""The append-only record of what was decided."""

from hashlib import sha256

import msgspec

from tallymark_protocol.journal_chain import GENESIS_HASH, chain_hash
from tallymark_server.domain.value import Value

__all__ = ["GENESIS", "JournalEntry", "JournalHead", "Record"]


class Record(Value, frozen=True, kw_only=True):
    """What one decision leaves in the journal, before it has its place there.

    The payload is JSON without secrets.
    """

    decided_at: int
    command: str
    caller: str
    process_id: str
    state: int
    payload: str
    payload_hash: bytes = b""
    """SHA-256 of a payload that was erased; empty as long as it is there."""

    def without_payload(self) -> "Record":
        """Return the record after its payload was erased."""
        if not self.payload:
            return self
        payload_hash = sha256(self.payload.encode()).digest()
        return msgspec.structs.replace(self, payload="", payload_hash=payload_hash)


class JournalHead(Value, frozen=True, kw_only=True):
    """Where a partition's journal ends."""

    sequence: int
    chain_hash: bytes

    def follow(self, partition: int, record: Record) -> "JournalEntry":
        """Return the record as the next entry, tied to all before it."""
        sequence = self.sequence + 1
        return JournalEntry(
            partition=partition,
            sequence=sequence,
            record=record,
            chain_hash=chain_hash(
                self.chain_hash,
                partition=partition,
                sequence=sequence,
                decided_at=record.decided_at,
                command=record.command,
                caller=record.caller,
                process_id=record.process_id,
                state=record.state,
                payload=record.payload,
                payload_hash=record.payload_hash,
            ),
        )


GENESIS = JournalHead(sequence=0, chain_hash=GENESIS_HASH)


class JournalEntry(Value, frozen=True, kw_only=True):
    """A record in its place: numbered without gaps, chained to all before it."""

    partition: int
    sequence: int
    record: Record
    chain_hash: bytes

    @property
    def head(self) -> JournalHead:
        """The journal's end after this entry."""
        return JournalHead(sequence=self.sequence, chain_hash=self.chain_hash)
