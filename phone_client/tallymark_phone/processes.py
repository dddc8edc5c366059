"""Processes and receipts as the customer sees them: what one scan sets off, and how it ended."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tallymark_protocol.confirmation import Confirmation
from tallymark_protocol.money import format_money

__all__ = [
    "Action",
    "ActionKind",
    "ConfirmedBy",
    "Decision",
    "Money",
    "PointsPosting",
    "Process",
    "ProcessEvent",
    "ProcessState",
    "Receipt",
    "Refusal",
    "SignedAnswer",
]


class ProcessState(StrEnum):
    """Where a process stands. A server newer than this phone may know more: UNKNOWN."""

    AWAITING_CUSTOMER = "AWAITING_CUSTOMER"
    AUTHORISING = "AUTHORISING"
    INSTRUCTED = "INSTRUCTED"
    OVERDUE = "OVERDUE"
    CONTESTED = "CONTESTED"
    COMPLETED = "COMPLETED"
    DECLINED = "DECLINED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self in _FINAL_STATES

    @property
    def needs_customer(self) -> bool:
        """Whether the process stands still until the customer answers."""
        return self in _WAITING_STATES


_FINAL_STATES = frozenset(
    {
        ProcessState.COMPLETED,
        ProcessState.DECLINED,
        ProcessState.RELEASED,
        ProcessState.EXPIRED,
    }
)
_WAITING_STATES = frozenset({ProcessState.AWAITING_CUSTOMER, ProcessState.CONTESTED})


class ActionKind(StrEnum):
    """The things that a process can do, named as in the contract."""

    CHARGE = "charge"
    PAY_BILL = "pay_bill"
    ADMIT = "admit"
    READ_POINTS = "read_points"
    EARN_POINTS = "earn_points"
    BURN_POINTS = "burn_points"
    UNKNOWN = "unknown"


class Decision(StrEnum):
    """The customer's answer to a process."""

    APPROVE = "approve"
    DECLINE = "decline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """An amount in the smallest unit of one currency; its text is what people write."""

    currency_code: str
    minor_units: int

    def __str__(self) -> str:
        """Return the amount as people write it, such as "4.20 EUR"."""
        return format_money(self.minor_units, self.currency_code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why something was refused, with what belongs to the reason."""

    reason: str
    """Value of RefusalReason without its prefix, for example "INSUFFICIENT_FUNDS"."""

    first_used_at: datetime | None = None
    first_used_terminal_id: str = ""
    bill_references: tuple[str, ...] = ()
    points_available: int = 0
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One thing that a process does. What a kind does not have is empty or None."""

    kind: ActionKind
    amount: Money | None = None
    """Charged, billed, or what the burned points are worth; None while nobody knows it."""

    points: int | None = None
    """Points added, taken, or held."""

    reference: str = ""
    """Bill, event or points programme."""

    ticket_id: str = ""
    """Ticket that is used."""

    description: str = ""
    """What the bill is for, the event and place, or the card."""

    way: str = ""
    """Funding of a bill (CARD, AT_TERMINAL) or direction through a gate (ENTRY, EXIT)."""

    settlement: str = ""
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """Everything that one scan sets off."""

    process_id: str
    state: ProcessState
    version: int
    merchant_id: str
    merchant_name: str
    terminal_id: str
    actions: tuple[Action, ...]
    created_at: datetime | None = None
    confirm_by: datetime | None = None
    ended_at: datetime | None = None
    sale_total: Money | None = None
    card_total: Money | None = None
    refusal: Refusal | None = None
    is_digits_needed: bool = False
    is_confirmed_by_customer: bool = False
    is_disputed: bool = False
    reverses_process_id: str = ""
    reversed_by_process_id: str = ""
    points_debt: int = 0
    answer_form: Confirmation | None = field(default=None, repr=False)
    """What the phone signs to say no to this very process as it is told here, and with another
    decision to say yes. None if it waits for no answer, or for one that this phone cannot give."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedAnswer:
    """A customer's answer to one process, signed by the phone."""

    process_id: str
    decision: Decision
    digits: str = ""
    signature: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessEvent:
    """One change of one process, numbered in the customer's own count."""

    event: int
    process: Process


@dataclass(frozen=True, kw_only=True, slots=True)
class PointsPosting:
    """One change of a points account; `points` is negative when they were taken."""

    programme_id: str
    points: int
    balance_after: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmedBy:
    """Which phone said yes, and when the server took it."""

    device_id: str
    """As the server says."""

    device_key_hash: str
    """Of the key that came with the signature; "" if that is none."""

    confirmed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The one account of a completed process that customer and merchant share."""

    receipt_number: str
    merchant_id: str
    merchant_name: str
    terminal_id: str
    actions: tuple[Action, ...]
    postings: tuple[PointsPosting, ...]
    completed_at: datetime | None = None
    sale_total: Money | None = None
    card_total: Money | None = None
    paid_at_terminal: Money | None = None
    is_confirmed_by_customer: bool = False
    confirmed_by: ConfirmedBy | None = None
    reverses_process_id: str = ""
    reversed_by_process_id: str = ""
    checkpoint: str = ""
    """Short checkpoint of the journal that came with it; it covers the completion."""

    problems: tuple[str, ...] = ()
    """What is wrong with its signatures, or with what was signed; empty if all is well."""

    document: str = field(default="", repr=False)
    """The receipt in the contract's own JSON, with its checkpoint: what tallymark-verify reads."""
