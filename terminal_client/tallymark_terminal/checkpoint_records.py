"""The checkpoints of the server's journal that this terminal keeps, in its own journal's file.

Of the short ones, which ride on every answer, the newest of each day; of the signed ones at most
one an hour, which is about 3 MB a year. None is ever deleted: an old one is what proves most.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallymark_protocol.checkpoint import (
    Checkpoint,
    ShortCheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from tallymark_terminal.journal_file import JournalFile

__all__ = ["CheckpointRecords", "KeptCheckpoint", "SignedCheckpoint"]

_KEPT: Final = "SELECT checkpoint, heard_at FROM checkpoints"
_SIGNED: Final = (
    "SELECT partition, sequence, chain_hash, signed_at, signature, audit_key"
    " FROM signed_checkpoints"
)

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptCheckpoint:
    """A short checkpoint, and when it was heard."""

    checkpoint: ShortCheckpoint
    heard_at: float
    """Server's time in seconds since 1970."""

    @property
    def day(self) -> str:
        """Day of it, in UTC."""
        return f"{datetime.fromtimestamp(self.heard_at, tz=UTC):%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as the server signed it; nothing in it is proved before `is_genuine` says so."""

    partition: int
    sequence: int
    chain_hash: bytes
    signed_at: int
    """Milliseconds since 1970."""

    signature: bytes
    audit_key: bytes
    """Ed25519 public key; empty if the server's key is of another kind."""

    @property
    def checkpoint(self) -> Checkpoint:
        """What was signed; raises ValueError for values that no checkpoint has."""
        return Checkpoint(
            partition=self.partition, sequence=self.sequence, chain_hash=self.chain_hash
        )

    def is_genuine(self) -> bool:
        """Say whether its audit key signed it."""
        try:
            return verify_checkpoint(
                self.checkpoint,
                signed_at=self.signed_at,
                signature=self.signature,
                public_key=Ed25519PublicKey.from_public_bytes(self.audit_key),
            )
        except ValueError:
            return False


class CheckpointRecords:
    """Reads and writes them."""

    def __init__(self, file: JournalFile) -> None:
        """Take the open file."""
        self._file = file

    async def keep(self, kept: KeptCheckpoint) -> None:
        """Keep a short checkpoint as the newest of its day, unless one was for a longer journal."""
        checkpoint = kept.checkpoint
        await self._file.change(
            "INSERT INTO checkpoints (partition, day, sequence, checkpoint, heard_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (partition, day) DO UPDATE SET"
            " sequence = excluded.sequence, checkpoint = excluded.checkpoint,"
            " heard_at = excluded.heard_at WHERE excluded.sequence > sequence",
            checkpoint.partition,
            kept.day,
            checkpoint.sequence,
            str(checkpoint),
            kept.heard_at,
        )

    async def keep_signed(self, signed: SignedCheckpoint) -> None:
        """Keep a signed checkpoint."""
        await self._file.change(
            "INSERT INTO signed_checkpoints"
            " (partition, sequence, chain_hash, signed_at, signature, audit_key)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            signed.partition,
            signed.sequence,
            signed.chain_hash,
            signed.signed_at,
            signed.signature,
            signed.audit_key,
        )

    async def keep_witness(self, text: str) -> None:
        """Keep the newest witness in place of the one before."""
        await self._file.change("INSERT OR REPLACE INTO witness VALUES (1, ?)", text)

    async def witness(self) -> str:
        """Return the newest witness, "" if none is kept."""
        return await self._first(str, "SELECT witness FROM witness") or ""

    async def newest(self) -> KeptCheckpoint | None:
        """Return the short one that was heard last."""
        return await self._first(_kept, f"{_KEPT} ORDER BY heard_at DESC LIMIT 1")

    async def newest_of(self, partition: int) -> KeptCheckpoint | None:
        """Return the short one of a partition that was heard last."""
        query = f"{_KEPT} WHERE partition = ? ORDER BY heard_at DESC LIMIT 1"
        return await self._first(_kept, query, partition)

    async def all(self) -> list[KeptCheckpoint]:
        """Return the short ones, the oldest first."""
        return await self._file.read(_kept, f"{_KEPT} ORDER BY day, partition")

    async def all_signed(self) -> list[SignedCheckpoint]:
        """Return the signed ones in the order in which they were kept."""
        return await self._file.read(_signed, f"{_SIGNED} ORDER BY number")

    async def first_signed(self) -> SignedCheckpoint | None:
        """Return the first that was kept; its audit key is the one to hold the server to."""
        return await self._first(_signed, f"{_SIGNED} ORDER BY number LIMIT 1")

    async def last_signed(self, partition: int, audit_key: bytes) -> SignedCheckpoint | None:
        """Return the last of a partition by an audit key."""
        query = f"{_SIGNED} WHERE partition = ? AND audit_key = ? ORDER BY number DESC LIMIT 1"
        return await self._first(_signed, query, partition, audit_key)

    async def _first(
        self, make: Callable[..., _Result], query: str, *values: object
    ) -> _Result | None:
        found = await self._file.read(make, query, *values)
        return found[0] if found else None


def _kept(text: str, heard_at: float) -> KeptCheckpoint:
    return KeptCheckpoint(checkpoint=parse_checkpoint(text), heard_at=heard_at)


def _signed(  # noqa: PLR0913, PLR0917 - one for each column
    partition: int,
    sequence: int,
    chain_hash: bytes,
    signed_at: int,
    signature: bytes,
    audit_key: bytes,
) -> SignedCheckpoint:
    return SignedCheckpoint(
        partition=partition,
        sequence=sequence,
        chain_hash=chain_hash,
        signed_at=signed_at,
        signature=signature,
        audit_key=audit_key,
    )
