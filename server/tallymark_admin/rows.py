"""What an operator adds in bulk, as values: one class per kind of row, and what became of one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["BillRow", "PointsGrantRow", "RowOutcome", "RowResult", "TicketRow"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BillRow:
    """A bill to add."""

    merchant_id: str
    bill_reference: str
    login_name: str
    currency_code: str
    minor_units: int
    description: str
    due_on: str
    """Day as YYYY-MM-DD, or empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketRow:
    """A ticket to add."""

    event_id: str
    ticket_id: str
    login_name: str
    entries: int
    valid_from: datetime | None
    """First moment of its validity, with its offset; None: valid at once."""
    valid_until: datetime | None
    """First moment at which it is no longer valid, with its offset; None: never."""
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PointsGrantRow:
    """Points to add to one account, once per grant_reference."""

    programme_id: str
    login_name: str
    grant_reference: str
    points: int


class RowResult(StrEnum):
    """What became of a row."""

    ADDED = "ADDED"
    UNCHANGED = "UNCHANGED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True, slots=True)
class RowOutcome:
    """What the server made of a row."""

    result: RowResult
    reason: str = ""
    """Reason of a refusal as in `tallymark_protocol.reasons`."""
    message: str = ""
    """What happened and what to do about a refusal."""
