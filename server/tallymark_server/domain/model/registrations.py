"""Bills, tickets and points accounts."""

from enum import IntEnum
from typing import ClassVar

from tallymark_server.domain.money import Money
from tallymark_server.domain.state import CustomerRow
from tallymark_server.domain.value import Value

__all__ = [
    "ISSUER",
    "AdmitDirection",
    "Bill",
    "BillState",
    "PointsAccount",
    "PointsGrant",
    "Ticket",
    "TicketUse",
]

ISSUER = "issuer"
"""Holder of the account that every posting of a programme in a partition is balanced against."""


class BillState(IntEnum):
    """Where a bill stands; numbers as in the contract."""

    OPEN = 1
    HELD = 2
    PAID = 3


class Bill(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """Something a customer owes a merchant."""

    table: ClassVar[str] = "bills"
    key_fields: ClassVar[tuple[str, ...]] = ("merchant_id", "bill_reference")

    merchant_id: str
    bill_reference: str
    customer_id: str
    login_name: str
    amount: Money
    description: str = ""
    due_on: str = ""
    added_at: int = 0
    state: BillState = BillState.OPEN
    process_id: str = ""


class AdmitDirection(IntEnum):
    """Which way through the gate; numbers as in the contract."""

    ENTRY = 1
    EXIT = 2


class TicketUse(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One pass through a gate. A free one came back after an exit and used no entry."""

    used_at: int
    terminal_id: str
    direction: AdmitDirection
    process_id: str
    is_free: bool = False


class Ticket(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """The right to enter an event a number of times.

    The uses are the truth; everything else follows from them.
    """

    table: ClassVar[str] = "tickets"
    key_fields: ClassVar[tuple[str, ...]] = ("event_id", "ticket_id")

    event_id: str
    ticket_id: str
    customer_id: str
    login_name: str
    entries: int
    valid_from: int = 0
    valid_until: int = 0
    place: str = ""
    added_at: int = 0
    uses: tuple[TicketUse, ...] = ()
    held_by: str = ""

    @property
    def entries_used(self) -> int:
        """Entries that counted."""
        return sum(use.direction is AdmitDirection.ENTRY and not use.is_free for use in self.uses)

    @property
    def is_inside(self) -> bool:
        """Whether the last pass was an entry."""
        return bool(self.uses) and self.uses[-1].direction is AdmitDirection.ENTRY


class PointsAccount(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """Points of one holder in one programme.

    The issuer's balance is what all customers hold, negated.
    """

    table: ClassVar[str] = "points_accounts"
    key_fields: ClassVar[tuple[str, ...]] = ("holder_id", "programme_id")

    holder_id: str
    programme_id: str
    login_name: str = ""
    balance: int = 0
    held: int = 0
    debt: int = 0
    version: int = 0

    @property
    def available(self) -> int:
        """Points that no process holds."""
        return self.balance - self.held


class PointsGrant(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """Points added by an operator, so that the same reference adds only once."""

    table: ClassVar[str] = "points_grants"
    key_fields: ClassVar[tuple[str, ...]] = ("holder_id", "programme_id", "grant_reference")

    holder_id: str
    programme_id: str
    grant_reference: str
    points: int
    granted_at: int
