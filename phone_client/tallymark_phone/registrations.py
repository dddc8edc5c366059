"""What a customer has registered, and the sessions and codes that a phone is given."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tallymark_phone.processes import Money

__all__ = [
    "AddedDevice",
    "Bill",
    "BillChoice",
    "Card",
    "Code",
    "CodeChoice",
    "Device",
    "Holdings",
    "Invitation",
    "PointsAccount",
    "Purpose",
    "RegisteredCustomer",
    "SentNumberCode",
    "Session",
    "Ticket",
    "TicketChoice",
]


class Purpose(StrEnum):
    """What a code may be used for."""

    GENERAL = "general"
    POINTS = "points"
    TICKET = "ticket"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The right to speak for the customer until it ends."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedDevice:
    """A further device of a customer, signed in."""

    device_id: str
    session: Session


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisteredCustomer:
    """A new customer with a first device, signed in."""

    customer_id: str
    device_id: str
    session: Session
    is_number_code_sent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """What adds another phone of the customer, once."""

    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SentNumberCode:
    """A verification code that was sent to a telephone number."""

    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A registered payment card; its number is with the credit institution only."""

    card_id: str
    brand: str
    last_four: str
    expires_on: str
    is_default: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """Something the customer owes a merchant."""

    merchant_id: str
    bill_reference: str
    amount: Money | None
    description: str
    due_on: str
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """The right to enter an event."""

    event_id: str
    ticket_id: str
    event_name: str
    place: str
    entries: int
    entries_used: int
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PointsAccount:
    """The customer's points in one programme."""

    programme_id: str
    programme_name: str
    balance: int
    held: int
    debt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A phone of the customer."""

    device_id: str
    name: str
    is_current: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """Everything that the customer has registered."""

    customer_id: str
    login_name: str
    telephone_number: str
    is_number_verified: bool
    cards: tuple[Card, ...]
    bills: tuple[Bill, ...]
    tickets: tuple[Ticket, ...]
    points_accounts: tuple[PointsAccount, ...]
    devices: tuple[Device, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BillChoice:
    """A bill that a code is to pay when the terminal names none."""

    merchant_id: str
    bill_reference: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketChoice:
    """A ticket that a code is to admit with."""

    event_id: str
    ticket_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeChoice:
    """What a code is wanted for."""

    purpose: Purpose = Purpose.GENERAL
    card_id: str = ""
    bill: BillChoice | None = None
    ticket: TicketChoice | None = None
    terminal_tag: str = ""
    """Tag of the terminal that alone may use the code ("TT1:"); empty: any terminal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """A code with its times by the **server's** clock.

    Count with the two differences from the moment of asking, not with the times: the clock of the
    phone may be wrong.
    """

    text: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    next_at: datetime

    bound_terminal_id: str = ""
    """Terminal that alone may use it; empty: any."""

    bound_merchant_name: str = ""
    """Name of that terminal's merchant, for the customer to compare."""

    @property
    def bound_to(self) -> str:
        """Whose terminal alone may use it, for the customer to compare; empty: any."""
        if not self.bound_terminal_id:
            return ""
        return f"{self.bound_merchant_name} ({self.bound_terminal_id})"

    @property
    def life_seconds(self) -> float:
        """Seconds from issuing to the first moment at which the code is refused."""
        return (self.expires_at - self.issued_at).total_seconds()

    @property
    def next_after_seconds(self) -> float:
        """Seconds from issuing to the time for the next code."""
        return (self.next_at - self.issued_at).total_seconds()
