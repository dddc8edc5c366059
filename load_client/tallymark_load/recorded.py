"""Recorded calls, put together again from the entries of a binary log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark_load.binary_log.binary_log_pb2 import Address, GrpcLogEntry, Metadata

__all__ = ["Logger", "RecordedCall", "RecordedMessage", "calls_of"]

CANCELLED: Final = 1
UNKNOWN: Final = 2
"""Status codes of gRPC for a call that its caller gave up, and for one whose end nobody saw."""


class Logger(Enum):
    """Which side of a call wrote it down."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMessage:
    """One message of a call; time in nanoseconds since the epoch, body as it was on the wire."""

    at_ns: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call with all that went both ways; all times are nanoseconds since the epoch.

    A call that never ended in the log has no ended_at_ns and the status UNKNOWN, one that its
    caller gave up has CANCELLED. is_truncated says that entries or parts of entries are missing.
    Logs of Go have no half-close for calls that send one message by their kind.
    """

    call_id: int
    method: str
    logger: Logger
    authority: str
    peer: str
    started_at_ns: int
    metadata: tuple[tuple[str, bytes], ...]
    sent: tuple[RecordedMessage, ...]
    half_closed_at_ns: int | None
    received: tuple[RecordedMessage, ...]
    ended_at_ns: int | None
    status_code: int
    status_message: str
    status_details: bytes
    trailers: tuple[tuple[str, bytes], ...]
    timeout_ns: int | None
    is_truncated: bool


def calls_of(entries: Iterable[GrpcLogEntry]) -> Iterator[RecordedCall]:
    """Yield each call when it has ended, then those that never did, in the order of their start.

    Entries of a call whose start is not in the log are left out: without a method they say nothing.
    """
    open_calls: dict[tuple[int, int], _OpenCall] = {}
    for entry in entries:
        key = (entry.logger, entry.call_id)
        call = open_calls.setdefault(key, _OpenCall())
        call.add(entry)
        if call.is_over:
            del open_calls[key]
            if call.has_started:
                yield call.recorded()
    for call in open_calls.values():
        if call.has_started:
            yield call.recorded()


@dataclass(slots=True)
class _OpenCall:
    """What the log has of a call so far."""

    entries: list[GrpcLogEntry] = field(default_factory=list)
    has_started: bool = False
    is_over: bool = False

    def add(self, entry: GrpcLogEntry) -> None:
        self.entries.append(entry)
        self.has_started |= entry.type == GrpcLogEntry.EVENT_TYPE_CLIENT_HEADER
        self.is_over = entry.type in _LAST

    def recorded(self) -> RecordedCall:
        # Both directions of a call are logged by different threads, so its entries may be swapped.
        entries = sorted(self.entries, key=lambda entry: entry.sequence_id_within_call)
        by_type = {entry.type: entry for entry in entries}
        first = by_type[GrpcLogEntry.EVENT_TYPE_CLIENT_HEADER]
        header = first.client_header
        half_close = by_type.get(GrpcLogEntry.EVENT_TYPE_CLIENT_HALF_CLOSE)
        cancel = by_type.get(GrpcLogEntry.EVENT_TYPE_CANCEL)
        trailer = by_type.get(GrpcLogEntry.EVENT_TYPE_SERVER_TRAILER)
        last = trailer or cancel
        status = (trailer or GrpcLogEntry()).trailer
        return RecordedCall(
            call_id=first.call_id,
            method=header.method_name,
            logger=Logger.SERVER if first.logger == GrpcLogEntry.LOGGER_SERVER else Logger.CLIENT,
            authority=header.authority,
            peer=next((_peer(entry.peer) for entry in entries if entry.HasField("peer")), ""),
            started_at_ns=_since_epoch(first.timestamp),
            metadata=_pairs(header.metadata),
            sent=_messages(entries, GrpcLogEntry.EVENT_TYPE_CLIENT_MESSAGE),
            half_closed_at_ns=_since_epoch(half_close.timestamp) if half_close else None,
            received=_messages(entries, GrpcLogEntry.EVENT_TYPE_SERVER_MESSAGE),
            ended_at_ns=_since_epoch(last.timestamp) if last else None,
            status_code=status.status_code if trailer else CANCELLED if cancel else UNKNOWN,
            status_message=status.status_message,
            status_details=status.status_details,
            trailers=_pairs(status.metadata),
            timeout_ns=_nanoseconds(header.timeout) if header.HasField("timeout") else None,
            is_truncated=_is_truncated(entries),
        )


_LAST: Final = frozenset(
    {GrpcLogEntry.EVENT_TYPE_SERVER_TRAILER, GrpcLogEntry.EVENT_TYPE_CANCEL},
)


def _messages(
    entries: list[GrpcLogEntry], event: GrpcLogEntry.EventType.ValueType
) -> tuple[RecordedMessage, ...]:
    return tuple(
        RecordedMessage(at_ns=_since_epoch(entry.timestamp), body=entry.message.data)
        for entry in entries
        if entry.type == event
    )


def _is_truncated(entries: list[GrpcLogEntry]) -> bool:
    """Tell whether numbers are missing between the first and the last, or a payload is shortened.

    Logs without numbers are taken as they are.
    """
    numbers = {entry.sequence_id_within_call for entry in entries}
    has_gap = numbers != {0} and numbers != set(range(1, len(entries) + 1))
    return has_gap or any(
        entry.payload_truncated
        or (entry.HasField("message") and entry.message.length > len(entry.message.data))
        for entry in entries
    )


def _pairs(metadata: Metadata) -> tuple[tuple[str, bytes], ...]:
    return tuple((pair.key, pair.value) for pair in metadata.entry)


def _peer(address: Address) -> str:
    """Return the address as gRPC writes it."""
    match address.type:
        case Address.TYPE_IPV4:
            return f"ipv4:{address.address}:{address.ip_port}"
        case Address.TYPE_IPV6:
            return f"ipv6:[{address.address}]:{address.ip_port}"
        case Address.TYPE_UNIX:
            return f"unix:{address.address}"
        case _:
            return f"{address.address}:{address.ip_port}" if address.ip_port else address.address


def _since_epoch(moment: Timestamp) -> int:
    return moment.seconds * 1_000_000_000 + moment.nanos


def _nanoseconds(duration: Duration) -> int:
    return duration.seconds * 1_000_000_000 + duration.nanos
