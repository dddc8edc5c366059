"""Answers of the server about processes: receipts, what it knows, completions, reversals."""

from dataclasses import dataclass, field
from datetime import datetime

from tallymark_terminal.money import Money
from tallymark_terminal.processes import (
    ActionOutcome,
    Process,
    ProcessKnowledge,
    ReversalOutcome,
    ReversalRefusal,
)

__all__ = [
    "Completion",
    "Knowledge",
    "Receipt",
    "ReceiptPosting",
    "Reversal",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptPosting:
    """One change of a points account."""

    programme_id: str
    points: int
    balance_after: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The account of a completed process."""

    receipt_number: str
    merchant_name: str
    terminal_id: str
    completed_at: datetime | None
    actions: tuple[ActionOutcome, ...]
    sale_total: Money | None
    card_total: Money | None
    paid_at_terminal: Money | None
    postings: tuple[ReceiptPosting, ...]
    confirmed_by_customer: bool
    reverses_process_id: str
    reversed_by_process_id: str
    is_signed: bool = False
    """Whether it carries the customer's signed yes."""

    document: str = field(default="{}", repr=False)
    """The receipt in the contract's own JSON: what tallymark-verify reads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """Answer of GetProcess; the checkpoint is the short one that came with it, "" if none did."""

    knowledge: ProcessKnowledge
    process: Process | None
    receipt: Receipt | None
    failed_reason: str
    checkpoint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """Answer of CompleteProcess; with a checkpoint as Knowledge."""

    process: Process
    receipt: Receipt | None
    checkpoint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reversal:
    """Answer of ReverseProcess; with a checkpoint as Knowledge."""

    outcome: ReversalOutcome
    refused_because: ReversalRefusal | None
    process: Process | None
    reversal: Process | None
    checkpoint: str = ""
