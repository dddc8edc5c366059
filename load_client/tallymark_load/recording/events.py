"""Events of calls, and the log entries that they become once redacted."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import unquote

from tallymark_load.binary_log.binary_log_pb2 import Address, GrpcLogEntry, Metadata
from tallymark_load.redaction import Redaction

__all__ = ["Event", "Opening", "Pairs", "Status", "as_bytes", "entry_of"]

Pairs = Sequence[tuple[str, str | bytes]]

NANOSECONDS: Final = 1_000_000_000

STATUS_DETAILS: Final = "grpc-status-details-bin"
"""Key of the trailing metadata that the log keeps in a field of its own."""

TRACE: Final = "grpc-trace-bin"
"""The one key of gRPC itself that the format wants to be logged."""


class Opening(NamedTuple):
    """What a call begins with; the peer as gRPC writes it, such as "ipv4:127.0.0.1:4711"."""

    method: str
    metadata: Pairs
    authority: str = ""
    peer: str = ""
    timeout_seconds: float | None = None


class Status(NamedTuple):
    """What a call ends with."""

    code: int
    message: str
    trailers: Pairs


class Event(NamedTuple):
    """Something that happened in a call; the payload is what belongs to its type."""

    at_ns: int
    call_id: int
    sequence: int
    method: str
    logger: GrpcLogEntry.Logger.ValueType
    type: GrpcLogEntry.EventType.ValueType
    payload: Opening | Status | Pairs | bytes | None = None


def entry_of(event: Event, redaction: Redaction) -> GrpcLogEntry:
    """Return the entry that may be written."""
    entry = GrpcLogEntry(
        call_id=event.call_id,
        sequence_id_within_call=event.sequence,
        type=event.type,
        logger=event.logger,
    )
    entry.timestamp.seconds, entry.timestamp.nanos = divmod(event.at_ns, NANOSECONDS)
    match event.payload:
        case bytes(body):
            is_request = event.type == GrpcLogEntry.EVENT_TYPE_CLIENT_MESSAGE
            redacted = redaction.body(event.method, body, is_request=is_request)
            entry.payload_truncated = redacted.is_truncated
            entry.message.data = redacted.data
            # What is left out still tells its size; what is replaced is whole as it is.
            entry.message.length = len(body if redacted.is_truncated else redacted.data)
        case Opening():
            _open(entry, event.payload, redaction)
        case Status():
            _end(entry, event.method, event.payload, redaction)
        case None:
            pass
        case pairs:
            _fill(entry.server_header.metadata, pairs, redaction)
            entry.server_header.SetInParent()
    return entry


def as_bytes(pairs: Pairs) -> list[tuple[str, bytes]]:
    """Return metadata with every value as bytes, without what belongs to gRPC itself."""
    return [
        (key, value.encode() if isinstance(value, str) else bytes(value))
        for key, value in pairs
        if key == TRACE or not (key.startswith("grpc-") or key == "user-agent")
    ]


def _open(entry: GrpcLogEntry, opening: Opening, redaction: Redaction) -> None:
    header = entry.client_header
    header.method_name = opening.method
    header.authority = opening.authority
    if opening.timeout_seconds is not None:
        nanoseconds = max(0, round(opening.timeout_seconds * NANOSECONDS))
        header.timeout.seconds, header.timeout.nanos = divmod(nanoseconds, NANOSECONDS)
    _fill(header.metadata, opening.metadata, redaction)
    if opening.peer:
        entry.peer.CopyFrom(_address(opening.peer, redaction))


def _end(entry: GrpcLogEntry, method: str, status: Status, redaction: Redaction) -> None:
    trailer = entry.trailer
    trailer.status_code = status.code
    details = dict(status.trailers).get(STATUS_DETAILS, b"")
    if redaction.keeps_errors_of(method):
        trailer.status_message = status.message
        trailer.status_details = details.encode() if isinstance(details, str) else details
    else:
        entry.payload_truncated = bool(status.message or details)
    _fill(trailer.metadata, status.trailers, redaction)


def _fill(metadata: Metadata, pairs: Pairs, redaction: Redaction) -> None:
    for key, value in redaction.metadata(as_bytes(pairs)):
        metadata.entry.add(key=key, value=value)


def _address(peer: str, redaction: Redaction) -> Address:
    """Return where the other side is; whose address it was is personal, its port is not."""
    scheme, _, rest = unquote(peer).partition(":")
    if scheme not in {"ipv4", "ipv6"}:
        kind = Address.TYPE_UNIX if scheme == "unix" else Address.TYPE_UNKNOWN
        return Address(type=kind, address=rest)
    host, _, port = rest.rpartition(":")
    # A scope such as %eth0 means something to one machine only.
    host = host.strip("[]").partition("%")[0]
    if redaction.is_personal_redacted:
        return Address(address=redaction.pseudonym(host.encode()), ip_port=int(port))
    is_six = isinstance(ip_address(host), IPv6Address)
    kind = Address.TYPE_IPV6 if is_six else Address.TYPE_IPV4
    return Address(type=kind, address=host, ip_port=int(port))
