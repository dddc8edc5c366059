"""Entries of a journal as they are exported: one a line, proto3 JSON of JournalEntry."""

from google.protobuf.json_format import Parse, ParseError

from tallymark.v1 import operator_service_pb2
from tallymark_protocol.journal_chain import ChainedEntry
from tallymark_protocol.strict_values import demand
from tallymark_protocol.timestamps import to_milliseconds

__all__ = ["NotAnEntry", "entry_of"]


class NotAnEntry(ValueError):
    """The line is not an entry of a journal."""


def entry_of(line: bytes) -> ChainedEntry:
    """Return the entry of a line; what a newer server tells besides is not chained and left out.

    Raises:
        NotAnEntry: not proto3 JSON of JournalEntry, no number, or parts of a millisecond.

    """
    try:
        entry = Parse(line, operator_service_pb2.JournalEntry(), ignore_unknown_fields=True)
        decided_at = to_milliseconds(entry.decided_at)
        demand(entry.sequence > 0, "entries are numbered from 1")
    # SystemError: protobuf's own, for a name that has half of a surrogate pair.
    except (ParseError, ValueError, RecursionError, SystemError) as error:
        message = "the line is not an entry of a journal"
        raise NotAnEntry(message) from error
    return ChainedEntry(
        sequence=entry.sequence,
        decided_at=decided_at,
        command=entry.command,
        caller=entry.caller,
        process_id=entry.process_id,
        state=entry.state,
        payload=entry.payload,
        chain_hash=entry.chain_hash,
        payload_hash=entry.payload_sha256,
    )
