"""What the server answers, as values of the terminal's own; names and meaning are the contract's.

Every enumeration has UNKNOWN for values that a newer server may send: an unknown state is never
executed, and an unknown refusal is still a refusal.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tallymark_terminal.actions import Action, AdmitDirection
from tallymark_terminal.instructions import Instruction
from tallymark_terminal.money import Money

__all__ = [
    "FINAL_STATES",
    "ActionOutcome",
    "Process",
    "ProcessKnowledge",
    "ProcessState",
    "Refusal",
    "RefusalReason",
    "ReversalOutcome",
    "ReversalRefusal",
    "Settlement",
    "StagedBalance",
    "TicketUse",
]


class ProcessState(StrEnum):
    """Where a process stands."""

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


FINAL_STATES = frozenset(
    {
        ProcessState.COMPLETED,
        ProcessState.DECLINED,
        ProcessState.RELEASED,
        ProcessState.EXPIRED,
    }
)
"""A process reaches exactly one of these and stays there."""


class RefusalReason(StrEnum):
    """Why an action, and with it the whole process, was refused."""

    NO_CARD = "NO_CARD"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    CARD_EXPIRED = "CARD_EXPIRED"
    CARD_BLOCKED = "CARD_BLOCKED"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    NOT_HONOURED = "NOT_HONOURED"
    PARTIAL_APPROVAL = "PARTIAL_APPROVAL"
    INSTITUTION_UNREACHABLE = "INSTITUTION_UNREACHABLE"
    BILL_NOT_FOUND = "BILL_NOT_FOUND"
    BILL_REFERENCE_NEEDED = "BILL_REFERENCE_NEEDED"
    BILL_ALREADY_PAID = "BILL_ALREADY_PAID"
    BILL_IN_USE = "BILL_IN_USE"
    NO_TICKET = "NO_TICKET"
    ALREADY_ADMITTED = "ALREADY_ADMITTED"
    TICKET_NOT_YET_VALID = "TICKET_NOT_YET_VALID"
    TICKET_NO_LONGER_VALID = "TICKET_NO_LONGER_VALID"
    STILL_INSIDE = "STILL_INSIDE"
    NOT_INSIDE = "NOT_INSIDE"
    TICKET_IN_USE = "TICKET_IN_USE"
    NO_POINTS_PROGRAMME = "NO_POINTS_PROGRAMME"
    INSUFFICIENT_POINTS = "INSUFFICIENT_POINTS"
    POINTS_EXCEED_TOTAL = "POINTS_EXCEED_TOTAL"
    POINTS_OVER_LIMIT = "POINTS_OVER_LIMIT"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    PURPOSE_NOT_ALLOWED = "PURPOSE_NOT_ALLOWED"
    CUSTOMER_DECLINED = "CUSTOMER_DECLINED"
    CUSTOMER_SILENT = "CUSTOMER_SILENT"
    DIGITS_WRONG = "DIGITS_WRONG"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    RELEASED_BY_OPERATOR = "RELEASED_BY_OPERATOR"
    RELEASED_BY_TERMINAL = "RELEASED_BY_TERMINAL"
    CODE_NOT_BOUND = "CODE_NOT_BOUND"
    RESTORE_UNSETTLED = "RESTORE_UNSETTLED"
    UNKNOWN = "UNKNOWN"


class Settlement(StrEnum):
    """How far an action's effect has come."""

    NONE = "NONE"
    HELD = "HELD"
    CAPTURE_PENDING = "CAPTURE_PENDING"
    SETTLED = "SETTLED"
    RELEASE_PENDING = "RELEASE_PENDING"
    RELEASED = "RELEASED"
    MANUAL = "MANUAL"
    UNKNOWN = "UNKNOWN"


class ProcessKnowledge(StrEnum):
    """What the server knows of a request."""

    FOUND = "FOUND"
    NEVER_SEEN = "NEVER_SEEN"
    REVERSED_UNSEEN = "REVERSED_UNSEEN"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class ReversalOutcome(StrEnum):
    """What became of a reversal."""

    NEVER_SEEN = "NEVER_SEEN"
    RELEASED = "RELEASED"
    COMPENSATED = "COMPENSATED"
    COMPENSATING = "COMPENSATING"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"


class ReversalRefusal(StrEnum):
    """Why a reversal was refused."""

    WINDOW_OVER = "WINDOW_OVER"
    IS_REVERSAL = "IS_REVERSAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketUse:
    """One pass through a gate."""

    used_at: datetime | None
    terminal_id: str
    direction: AdmitDirection


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why, with what helps to explain it."""

    reason: RefusalReason
    first_use: TicketUse | None = None
    bill_references: tuple[str, ...] = ()
    points_available: int = 0
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionOutcome:
    """An action with what was decided about it."""

    action: Action
    instruction: Instruction | None
    refusal: Refusal | None
    settlement: Settlement


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedBalance:
    """A points balance that is posted on completion."""

    new_balance: int
    difference: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """Everything one scan set off."""

    process_id: str
    state: ProcessState
    version: int
    actions: tuple[ActionOutcome, ...]
    merchant_name: str
    terminal_id: str
    created_at: datetime | None
    confirm_by: datetime | None
    poll_until: datetime | None
    execute_by: datetime | None
    ended_at: datetime | None
    refusal: Refusal | None
    customer_reference: str
    confirmation_digits: str
    confirmed_by_customer: bool
    sale_total: Money | None
    card_total: Money | None
    reverses_process_id: str
    reversed_by_process_id: str
    staged_balance: StagedBalance | None
    disputed: bool
    points_debt: int
    sealed_record: bytes = field(default=b"", repr=False)
    """The process as the server had sealed it, for the day that it asks for it; may be empty."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL_STATES
