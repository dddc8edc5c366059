"""Names for requests, so that the server recognises a repeated one."""

import secrets
import time
import uuid

__all__ = ["new_request_id"]


def new_request_id(
    *, unix_milliseconds: int | None = None, random_bytes: bytes | None = None
) -> str:
    """Return a UUID of version 7 (RFC 9562): ordered by time, which spares the server's storage."""
    milliseconds = time.time_ns() // 1_000_000 if unix_milliseconds is None else unix_milliseconds
    randomness = secrets.token_bytes(10) if random_bytes is None else random_bytes
    value = int.from_bytes(milliseconds.to_bytes(6, "big") + randomness, "big")
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    return str(uuid.UUID(int=value))
