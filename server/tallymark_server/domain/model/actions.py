"""What a process is asked to do (asks), what was granted (grants), and why not (refusals)."""

from enum import IntEnum, StrEnum

from tallymark_server.domain.model.registrations import AdmitDirection, TicketUse
from tallymark_server.domain.money import Money
from tallymark_server.domain.value import Value

__all__ = [
    "Action",
    "AdmitAsk",
    "AdmitGrant",
    "Ask",
    "Authorisation",
    "BurnPointsAsk",
    "BurnPointsGrant",
    "ChargeAsk",
    "ChargeGrant",
    "EarnPointsAsk",
    "EarnPointsGrant",
    "Funding",
    "Grant",
    "PayBillAsk",
    "PayBillGrant",
    "ReadPointsAsk",
    "ReadPointsGrant",
    "Refusal",
    "RefusalReason",
    "Settlement",
    "SettlementTask",
]


class Funding(IntEnum):
    """How a bill is paid; numbers as in the contract."""

    AT_TERMINAL = 1
    CARD = 2


class ChargeAsk(Value, frozen=True, kw_only=True, tag="charge"):
    """Take money from the card: an amount, or the remainder when it is None."""

    amount: Money | None


class PayBillAsk(Value, frozen=True, kw_only=True, tag="pay_bill"):
    """Pay a bill; an empty reference leaves the choice to the server."""

    bill_reference: str
    funding: Funding


class AdmitAsk(Value, frozen=True, kw_only=True, tag="admit"):
    """Let the customer in or out."""

    event_id: str
    direction: AdmitDirection


class ReadPointsAsk(Value, frozen=True, kw_only=True, tag="read_points"):
    """Tell the points held."""


class EarnPointsAsk(Value, frozen=True, kw_only=True, tag="earn_points"):
    """Add points."""

    points: int


class BurnPointsAsk(Value, frozen=True, kw_only=True, tag="burn_points"):
    """Spend points."""

    points: int


Ask = ChargeAsk | PayBillAsk | AdmitAsk | ReadPointsAsk | EarnPointsAsk | BurnPointsAsk


class ChargeGrant(Value, frozen=True, kw_only=True, tag="charge"):
    """The amount to authorise, then authorised, on which card."""

    amount: Money
    card_brand: str = ""
    card_last_four: str = ""
    authorisation_code: str = ""


class PayBillGrant(Value, frozen=True, kw_only=True, tag="pay_bill"):
    """The bill that is paid."""

    bill_reference: str
    amount: Money
    description: str
    due_on: str
    funding: Funding


class AdmitGrant(Value, frozen=True, kw_only=True, tag="admit"):
    """The ticket that admits."""

    event_id: str
    event_name: str
    ticket_id: str
    direction: AdmitDirection
    entries_left: int
    place: str
    is_free: bool = False


class ReadPointsGrant(Value, frozen=True, kw_only=True, tag="read_points"):
    """The points held."""

    programme_id: str
    balance: int
    available: int
    version: int


class EarnPointsGrant(Value, frozen=True, kw_only=True, tag="earn_points"):
    """The points that completion adds."""

    programme_id: str
    points: int
    balance_before: int
    version: int


class BurnPointsGrant(Value, frozen=True, kw_only=True, tag="burn_points"):
    """The points that completion takes, held until then."""

    programme_id: str
    points: int
    value: Money
    balance_before: int
    version: int


Grant = (
    ChargeGrant | PayBillGrant | AdmitGrant | ReadPointsGrant | EarnPointsGrant | BurnPointsGrant
)


class RefusalReason(IntEnum):
    """Why an action or a process was refused; numbers as in the contract, which explains them."""

    NO_CARD = 1
    INSUFFICIENT_FUNDS = 2
    CARD_EXPIRED = 3
    CARD_BLOCKED = 4
    SUSPECTED_FRAUD = 5
    NOT_HONOURED = 6
    PARTIAL_APPROVAL = 7
    INSTITUTION_UNREACHABLE = 8
    BILL_NOT_FOUND = 9
    BILL_REFERENCE_NEEDED = 10
    BILL_ALREADY_PAID = 11
    BILL_IN_USE = 12
    NO_TICKET = 13
    ALREADY_ADMITTED = 14
    TICKET_NOT_YET_VALID = 15
    TICKET_NO_LONGER_VALID = 16
    STILL_INSIDE = 17
    NOT_INSIDE = 18
    TICKET_IN_USE = 19
    NO_POINTS_PROGRAMME = 20
    INSUFFICIENT_POINTS = 21
    POINTS_EXCEED_TOTAL = 22
    POINTS_OVER_LIMIT = 23
    CURRENCY_MISMATCH = 24
    PURPOSE_NOT_ALLOWED = 25
    CUSTOMER_DECLINED = 26
    CUSTOMER_SILENT = 27
    DIGITS_WRONG = 28
    EVENT_NOT_FOUND = 29
    RELEASED_BY_OPERATOR = 30
    RELEASED_BY_TERMINAL = 31
    CODE_NOT_BOUND = 32
    RESTORE_UNSETTLED = 33


class Refusal(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal with what a terminal needs to explain it."""

    reason: RefusalReason
    first_use: TicketUse | None = None
    bill_references: tuple[str, ...] = ()
    points_available: int = 0
    valid_from: int = 0
    valid_until: int = 0


class Settlement(IntEnum):
    """How far an action's effects have come; numbers as in the contract."""

    NONE = 1
    HELD = 2
    CAPTURE_PENDING = 3
    SETTLED = 4
    RELEASE_PENDING = 5
    RELEASED = 6
    MANUAL = 7


class SettlementTask(StrEnum):
    """What the credit institution is still to be told or asked."""

    AUTHORISE = "authorise"
    CAPTURE = "capture"
    REVERSE = "reverse"
    RECHECK = "recheck"
    """Look whether something arrived after its reversal."""


class Authorisation(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The outside of a charge: its id there, and the open task, if any, with its next try."""

    authorisation_id: str
    card_token: str
    task: SettlementTask | None = None
    due_at: int = 0
    attempts: int = 0
    """How often this task, or the last one, was tried."""

    rejections: int = 0
    """How many of these the institution rejected as a call, instead of being silent."""

    looks_left: int = 0
    """How often it is still looked up after its reversal, before it counts as released."""

    reopened: int = 0
    """How often money turned up that had been reversed."""

    said: str = ""
    """What the institution said last, or how it was silent."""

    def __repr__(self) -> str:
        """Leave out the token."""
        return f"Authorisation(task={self.task!r}, attempts={self.attempts})"


class Action(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a process does: what was asked, what was decided, and how far its effects are."""

    ask: Ask
    grant: Grant | None = None
    refusal: Refusal | None = None
    settlement: Settlement = Settlement.NONE
    authorisation: Authorisation | None = None
