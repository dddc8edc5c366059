"""Times of the contracts as the milliseconds since 1970 that are signed and chained."""

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["to_milliseconds", "to_timestamp"]

_NANOS: Final = 1_000_000


def to_milliseconds(timestamp: Timestamp) -> int:
    """Return the milliseconds since 1970.

    Raises:
        ValueError: the time has parts of a millisecond, which nothing that Tallymark signs has.

    """
    milliseconds, rest = divmod(timestamp.nanos, _NANOS)
    if rest:
        message = "the time has parts of a millisecond"
        raise ValueError(message)
    return timestamp.seconds * 1000 + milliseconds


def to_timestamp(milliseconds: int) -> Timestamp:
    """Return the time of the milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return Timestamp(seconds=seconds, nanos=rest * _NANOS)
