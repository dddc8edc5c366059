"""Where a journal stood: what its server shows and signs, so that others can hold it to that.

A checkpoint names an entry of the journal and the chain value up to it. As long as somebody keeps
one away from the server, no entry up to it can be changed, removed or put elsewhere unnoticed, by
whoever holds the database and every key: see journal_chain.py.

    short     tmc1:<partition>:<sequence>:<first 16 bytes of the chain value, 32 hex digits>
    signed    deterministic CBOR of ["tallymark checkpoint", 1, partition, sequence, chain value,
              time of signing in milliseconds since 1970], by the server's audit key, Ed25519

The short form rides on every answer and fits on a receipt. Its 16 bytes are enough against whoever
changes a journal later; a server that from the start plans to have two journals with one short
checkpoint needs about 2^64 trials, so for that keep the signed form.

docs/signatures.md specifies this for other languages.
"""

import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallymark_protocol import strict_cbor
from tallymark_protocol.strict_values import NUMBER_MAX, demand_bytes, demand_number

__all__ = [
    "CHAIN_HASH_BYTES",
    "PARTITION_MAX",
    "Checkpoint",
    "NotACheckpoint",
    "ShortCheckpoint",
    "parse_checkpoint",
    "sign_checkpoint",
    "verify_checkpoint",
]

CHAIN_HASH_BYTES: Final = 32
"""Length of a chain value: SHA-256."""

PARTITION_MAX: Final = 255
"""Largest partition: it is one byte of every code and id."""

_SHORT_BYTES: Final = 16
_CONTEXT: Final = "tallymark checkpoint"
_VERSION: Final = 1
_TEXT: Final = re.compile(r"tmc1:(0|[1-9][0-9]{0,2}):(0|[1-9][0-9]{0,18}):([0-9a-f]{32})")


class NotACheckpoint(ValueError):
    """The text is not the short form of a checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortCheckpoint:
    """A checkpoint with the first half of its chain value.

    Raises:
        ValueError: a value that no checkpoint has.

    """

    partition: int

    sequence: int
    """Number of the entry, which is the number of entries up to it; 0 for an empty journal."""

    hash_start: bytes
    """First 16 bytes of the chain value."""

    def __post_init__(self) -> None:
        """Refuse every value that no checkpoint has."""
        demand_number(self.partition, PARTITION_MAX)
        demand_number(self.sequence)
        demand_bytes(self.hash_start, _SHORT_BYTES)

    def __str__(self) -> str:
        """Return the short form."""
        return f"tmc1:{self.partition}:{self.sequence}:{self.hash_start.hex()}"

    def fits(self, chain_hash: bytes) -> bool:
        """Say whether this is the chain value that was seen."""
        return chain_hash[:_SHORT_BYTES] == self.hash_start


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A checkpoint with its whole chain value.

    Raises:
        ValueError: a value that no checkpoint has.

    """

    partition: int

    sequence: int
    """Number of the entry, which is the number of entries up to it; 0 for an empty journal."""

    chain_hash: bytes
    """Chain value up to the entry, 32 bytes."""

    def __post_init__(self) -> None:
        """Refuse every value that no checkpoint has."""
        demand_number(self.partition, PARTITION_MAX)
        demand_number(self.sequence)
        demand_bytes(self.chain_hash, CHAIN_HASH_BYTES)

    def __str__(self) -> str:
        """Return the short form."""
        return str(self.short())

    def short(self) -> ShortCheckpoint:
        """Return the checkpoint as it rides on answers."""
        return ShortCheckpoint(
            partition=self.partition,
            sequence=self.sequence,
            hash_start=self.chain_hash[:_SHORT_BYTES],
        )

    def fits(self, chain_hash: bytes) -> bool:
        """Say whether this is the chain value that was seen."""
        return chain_hash == self.chain_hash

    def to_sign(self, *, signed_at: int) -> bytes:
        """Return the bytes to sign at a time in milliseconds since 1970.

        Raises:
            ValueError: a time before 1970.

        """
        demand_number(signed_at)
        return strict_cbor.encode(
            [_CONTEXT, _VERSION, self.partition, self.sequence, self.chain_hash, signed_at]
        )


def parse_checkpoint(text: str) -> ShortCheckpoint:
    """Return the checkpoint of a short form; exactly one text gives each.

    Raises:
        NotACheckpoint: another text, or numbers that no checkpoint has.

    """
    found = _TEXT.fullmatch(text)
    if found is None or int(found[1]) > PARTITION_MAX or int(found[2]) > NUMBER_MAX:
        message = "a checkpoint is tmc1:<partition>:<sequence>:<32 hexadecimal digits>"
        raise NotACheckpoint(message)
    return ShortCheckpoint(
        partition=int(found[1]), sequence=int(found[2]), hash_start=bytes.fromhex(found[3])
    )


def sign_checkpoint(
    checkpoint: Checkpoint, *, signed_at: int, private_key: Ed25519PrivateKey
) -> bytes:
    """Return the signature of the audit key over a checkpoint and the time of signing."""
    return private_key.sign(checkpoint.to_sign(signed_at=signed_at))


def verify_checkpoint(
    checkpoint: Checkpoint, *, signed_at: int, signature: bytes, public_key: Ed25519PublicKey
) -> bool:
    """Say whether the holder of the audit key signed the checkpoint with this time."""
    try:
        public_key.verify(signature, checkpoint.to_sign(signed_at=signed_at))
    except InvalidSignature:
        return False
    return True
