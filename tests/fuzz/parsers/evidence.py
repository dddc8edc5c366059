"""Evidence: signed statements, receipts, exported journals; and errors as servers send them."""

import json
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson

from tallymark.v1 import operator_service_pb2
from tallymark_protocol.confirmation import NotAConfirmation, read_confirmation
from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_protocol.errors import NotDone, Refused, TallymarkError, from_call, to_status
from tallymark_protocol.journal_chain import ChainedEntry, check_journal
from tallymark_protocol.journal_messages import NotAnEntry, entry_of
from tallymark_protocol.money import NotMoney, format_minor_units, parse_minor_units
from tallymark_protocol.reasons import Reason
from tallymark_protocol.timestamps import to_timestamp
from tallymark_protocol.verified_receipt import NotAReceipt, verify_receipt
from tallymark_protocol.verified_words import describe_receipt
from tests.fuzz.parser import Budget, Parser
from tests.fuzz.parsers.signed_texts import vectors

__all__ = ["PARSERS", "journal_lines"]

_RECEIPT = {
    "receipt_number": "00" * 17,
    "merchant_id": "cafe",
    "merchant_name": "Corner Café",
    "terminal_id": "till-1",
    "completed_at": "2026-09-21T12:00:00Z",
    "sale_total": {"currency_code": "EUR", "minor_units": "1230"},
    "actions": [
        {
            "action": {"charge": {"remainder": {}}},
            "instruction": {"charge": {"amount": {"currency_code": "EUR", "minor_units": "5"}}},
            "settlement": "SETTLEMENT_SETTLED",
        }
    ],
}


def _statements() -> Sequence[bytes]:
    return [
        bytes.fromhex(each["statement"]) for each in vectors("signatures")["confirmations"]["valid"]
    ]


def journal_lines() -> Sequence[bytes]:
    """Return the entries of a good journal, one a line."""
    return [json.dumps(entry).encode() for entry in vectors("signatures")["journal"]["entries"]]


def _journals() -> Sequence[bytes]:
    lines = journal_lines()
    return [b"\n".join(lines), lines[0], b"\n".join((lines[0], lines[2], lines[1]))]


def _read_journal(data: bytes) -> list[ChainedEntry]:
    """Check a whole journal, as `tallymark-verify journal` does; unreadable lines are told."""
    entries = []
    for line in BytesIO(data):
        try:
            entries.append(entry_of(line))
        except NotAnEntry:
            continue
    check_journal(entries, ())
    return entries


def _write_entry(entry: ChainedEntry) -> bytes:
    message = operator_service_pb2.JournalEntry(
        sequence=entry.sequence,
        decided_at=to_timestamp(entry.decided_at),
        command=entry.command,
        caller=entry.caller,
        process_id=entry.process_id,
        state=entry.state,  # type: ignore[arg-type] # a newer server may have more states
        payload=entry.payload,
        chain_hash=entry.chain_hash,
    )
    return MessageToJson(message, indent=None).encode()


def _receipts() -> Sequence[bytes]:
    signed = vectors("signatures")["confirmations"]["valid"][0]
    key = vectors("signatures")["device_keys"]["valid"][0]
    confirmation = {
        "statement": _base64(signed["statement"]),
        "signature": _base64("00" * 64),
        "device_key": {"algorithm": key["algorithm"], "key_bytes": _base64(key["key_bytes"])},
        "confirmed_at": "2026-09-21T12:00:00Z",
    }
    checkpoint = {
        "partition": 0,
        "sequence": "7",
        "chain_hash": _base64("11" * 32),
        "signed_at": "2026-09-21T12:00:00Z",
        "audit_key": {"algorithm": "KEY_ALGORITHM_ED25519", "key_bytes": _base64(key["key_bytes"])},
        "signature": _base64("22" * 64),
    }
    documents = (
        _RECEIPT,
        {**_RECEIPT, "confirmation": confirmation},
        {**_RECEIPT, "confirmation": confirmation, "checkpoint": checkpoint},
    )
    return [json.dumps(document).encode() for document in documents]


def _base64(hexadecimal: str) -> str:
    return b64encode(bytes.fromhex(hexadecimal)).decode()


def _verify_receipt(data: bytes) -> list[str]:
    return list(describe_receipt(verify_receipt(data), is_key_known=False))


def _read_enrolment(data: bytes) -> EnrolmentFile:
    return EnrolmentFile.parse(data.decode("ascii", errors="replace"))


def _error_from(details: bytes) -> TallymarkError:
    """Make the client's error of a failed call with these packed details."""
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", details))
    call: Any = grpc.aio.AioRpcError(
        grpc.StatusCode.INVALID_ARGUMENT, grpc.aio.Metadata(), trailing, details="refused"
    )
    return from_call(call)


def _packed_errors() -> Sequence[bytes]:
    errors = (
        Refused(Reason.REQUEST_INVALID, violations=[("actions[0].charge", "it must be given")]),
        NotDone(Reason.OVERLOADED, retry_after_seconds=1.5),
        Refused(Reason.CODE_EXPIRED),
    )
    return [to_status(error).SerializeToString() for error in errors]


PARSERS = (
    Parser(
        name="confirmation_statement",
        read=read_confirmation,
        write=lambda confirmation: confirmation.to_bytes(),
        refusals=(NotAConfirmation,),
        seeds=_statements,
    ),
    Parser(
        name="journal_entry",
        read=entry_of,
        write=_write_entry,
        is_canonical=False,
        refusals=(NotAnEntry,),
        seeds=journal_lines,
    ),
    Parser(name="journal", read=_read_journal, refusals=(), seeds=_journals, size_max=16_384),
    Parser(name="receipt", read=_verify_receipt, refusals=(NotAReceipt,), seeds=_receipts),
    Parser(
        name="enrolment_file",
        read=_read_enrolment,
        write=lambda file: file.to_text().encode("ascii", "replace"),
        is_canonical=False,
        refusals=(ValueError,),
        seeds=lambda: [b"ABCD-EFGH", b"ABCD-EFGH\n-----BEGIN CERTIFICATE-----\nMIIB\n"],
    ),
    Parser(
        name="money",
        read=lambda data: parse_minor_units(data.decode("utf-8", "replace"), "EUR"),
        write=lambda minor_units: format_minor_units(minor_units, "EUR").encode(),
        is_canonical=False,
        refusals=(NotMoney,),
        may_quote=True,
        seeds=lambda: [b"4.20", b" 1 ", b"10000000000.00"],
        size_max=256,
    ),
    Parser(
        name="error_details",
        read=_error_from,
        refusals=(),
        seeds=_packed_errors,
        budget=Budget(kibibytes=512),
    ),
)
