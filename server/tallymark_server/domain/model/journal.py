"""The append-only record of what was decided."""

import hashlib

import msgspec

__all__ = ["GENESIS", "JournalEntry", "JournalHead", "Record"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one decision leaves in the journal, before it has its place there.

    The payload is JSON without secrets.
    """

    decided_at: int
    command: str
    caller: str
    process_id: str
    state: int
    payload: str


class JournalHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where a partition's journal ends."""

    sequence: int
    chain_hash: bytes

    def follow(self, partition: int, record: Record) -> "JournalEntry":
        """Return the record as the next entry.

        The chain is over hashes of payloads, so that payloads can be erased.
        """
        payload_hash = hashlib.sha256(record.payload.encode()).digest()
        sequence = self.sequence + 1
        facts = f"{partition}|{sequence}|{record.decided_at}|{record.command}|{record.caller}"
        facts += f"|{record.process_id}|{record.state}|"
        link = self.chain_hash + facts.encode() + payload_hash
        return JournalEntry(
            partition=partition,
            sequence=sequence,
            record=record,
            chain_hash=hashlib.sha256(link).digest(),
        )


GENESIS = JournalHead(sequence=0, chain_hash=bytes(32))


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A record in its place: numbered without gaps, chained to all before it."""

    partition: int
    sequence: int
    record: Record
    chain_hash: bytes

    @property
    def head(self) -> JournalHead:
        """The journal's end after this entry."""
        return JournalHead(sequence=self.sequence, chain_hash=self.chain_hash)
