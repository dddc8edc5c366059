"""Results as JSON, for programs that drive a terminal; the names are those of the contract."""

import json
from base64 import b64encode
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TypeAlias

from tallymark_protocol.timestamps import to_timestamp
from tallymark_terminal.actions import Action, SaleRequest
from tallymark_terminal.checkpoint_records import SignedCheckpoint
from tallymark_terminal.journal import Sale
from tallymark_terminal.money import Money
from tallymark_terminal.processes import Process
from tallymark_terminal.sale_results import EXIT_CODE_OF, SaleResult

__all__ = [
    "Json",
    "actions_text",
    "as_line",
    "journal_view",
    "result_view",
    "signed_checkpoint_view",
    "value_view",
]

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def result_view(result: SaleResult, *, source: str | None, words: str) -> dict[str, Json]:
    """Return one sale; every key is always there, null where there is nothing to say."""
    process, receipt = result.process, result.receipt
    return {
        "request_id": result.request_id,
        "process_id": process.process_id if process else None,
        "outcome": result.outcome.value,
        "offline": result.is_offline,
        "exit_code": int(EXIT_CODE_OF[result.outcome]),
        "state": process.state.value if process else None,
        "words": words,
        "source": source,
        "recovered": result.is_recovered,
        "local_check_step": result.check_step,
        "error": {
            "reason": result.reason.value if result.reason else None,
            "message": result.message,
        }
        if result.reason or result.message
        else None,
        "refusal": value_view(process.refusal) if process else None,
        "actions": _outcomes(process),
        "sale_total": value_view(process.sale_total) if process else None,
        "card_total": value_view(process.card_total) if process else None,
        "customer_reference": (process.customer_reference or None) if process else None,
        "confirmed_by_customer": process.confirmed_by_customer if process else None,
        "staged_balance": value_view(process.staged_balance) if process else None,
        "reversed_by_process_id": (process.reversed_by_process_id or None) if process else None,
        "receipt_number": receipt.receipt_number if receipt else None,
        "paid_at_terminal": value_view(receipt.paid_at_terminal) if receipt else None,
        "postings": value_view(receipt.postings) if receipt else [],
        "receipt": json.loads(receipt.document) if receipt else None,
        "checkpoint": result.checkpoint or None,
        "reversal": {
            "outcome": result.reversal.outcome.value,
            "refused_because": value_view(result.reversal.refused_because),
            "process_id": result.reversal.reversal.process_id if result.reversal.reversal else None,
        }
        if result.reversal
        else None,
    }


def journal_view(sale: Sale) -> dict[str, Json]:
    """Return what the journal tells of a sale, without what could identify the customer."""
    return {
        "request_id": sale.request_id,
        "process_id": sale.process_id,
        "stage": sale.stage.value,
        "state": sale.state,
        "outcome": sale.outcome,
        "started_at": value_view(datetime.fromtimestamp(sale.started_at, tz=UTC)),
        "ended_at": value_view(datetime.fromtimestamp(sale.ended_at, tz=UTC))
        if sale.ended_at
        else None,
        "asked": json.loads(sale.asked),
        "checkpoint": sale.checkpoint,
    }


def signed_checkpoint_view(signed: SignedCheckpoint) -> dict[str, Json]:
    """Return a signed checkpoint in the contract's own JSON, for those who verify the journal."""
    return {
        "partition": signed.partition,
        # The contract's JSON has whole numbers of 64 bits as text.
        "sequence": str(signed.sequence),
        "chain_hash": value_view(signed.chain_hash),
        "signed_at": to_timestamp(signed.signed_at).ToJsonString(),
        "signature": value_view(signed.signature),
        "audit_key": {
            "algorithm": "KEY_ALGORITHM_ED25519",
            "key_bytes": value_view(signed.audit_key),
        },
    }


def actions_text(request: SaleRequest) -> str:
    """Return what is asked for as the journal keeps it."""
    return as_line([_with_kind(action) for action in request.actions])


def as_line(value: Json) -> str:
    """Return JSON text in one line."""
    return json.dumps(value, ensure_ascii=False)


def value_view(value: object) -> Json:
    """Return any value of this package as JSON: times in UTC, money with its figures.

    Bytes are in base64, as in the JSON of the contract.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return str(value.value)
        case str():
            return value
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Money():
            return {
                "currency_code": value.currency_code,
                "minor_units": value.minor_units,
                "figures": value.figures,
            }
        case list() | tuple():
            return [value_view(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: value_view(getattr(value, field.name)) for field in fields(value)}
    message = f"no JSON for {type(value).__name__}"
    raise TypeError(message)


def _outcomes(process: Process | None) -> list[Json]:
    return [
        {
            "kind": outcome.action.kind,
            "asked": value_view(outcome.action),
            "instruction": value_view(outcome.instruction),
            "refusal": value_view(outcome.refusal),
            "settlement": outcome.settlement.value,
        }
        for outcome in (process.actions if process else ())
    ]


def _with_kind(action: Action) -> Json:
    view = value_view(action)
    return {"kind": action.kind, **view} if isinstance(view, dict) else view
