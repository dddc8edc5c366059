"""Ids: a partition, then a UUIDv7 (RFC 9562), so that rows sort by birth; all in hexadecimal."""

from typing import Final

__all__ = ["DIRECTORY", "RANDOM_BYTES", "first_id", "make_id", "partition_of_id"]

DIRECTORY: Final = 0
"""Partition of everything that belongs to no customer: merchants, terminals, names, policy."""

RANDOM_BYTES: Final = 10
"""Random bytes of an id; 74 of their 80 bits remain."""


def make_id(partition: int, now: int, random_bytes: bytes) -> str:
    """Return an id born at `now` (milliseconds) with 10 random bytes."""
    if len(random_bytes) != RANDOM_BYTES:
        message = "an id takes 10 random bytes"
        raise ValueError(message)
    value = bytearray(now.to_bytes(6, "big") + random_bytes)
    value[6] = 0x70 | value[6] & 0x0F
    value[8] = 0x80 | value[8] & 0x3F
    return f"{partition:02x}{value.hex()}"


def first_id(partition: int, at: int) -> str:
    """Return a text that sorts after all ids born before this time and before all others."""
    return f"{partition:02x}{at.to_bytes(6, 'big').hex()}"


def partition_of_id(identifier: str) -> int:
    """Return the partition that an id carries."""
    return int(identifier[:2], 16)
