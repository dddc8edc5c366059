"""The columns of a bill, a ticket and a grant of points, for CSV files and for options alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tallymark_admin.cells import BadCell, Cells
from tallymark_admin.rows import BillRow, PointsGrantRow, TicketRow

__all__ = ["BILL_FORM", "POINTS_FORM", "TICKET_FORM", "Column", "Form"]

RowT = TypeVar("RowT")

DESCRIPTION_CHARACTERS_MAX: Final = 200
PLACE_CHARACTERS_MAX: Final = 60
ENTRIES_MAX: Final = 1000
POINTS_MAX: Final = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a file, and the option of the same name."""

    name: str
    meaning: str
    is_required: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Form(Generic[RowT]):
    """How a line becomes a row."""

    noun: str
    columns: tuple[Column, ...]
    read: Callable[[Cells], RowT]
    """Reads the cells; raises `BadCell`."""
    column_of_reason: Mapping[str, str]
    """Which column a reason of the server is about."""
    has_days: bool = False
    """Whether a cell may be a whole day, which begins at another moment in each time zone."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in their usual order."""
        return tuple(column.name for column in self.columns)


def _read_bill(cells: Cells) -> BillRow:
    currency_code = cells.currency_code("currency_code")
    return BillRow(
        merchant_id=cells.id("merchant_id"),
        bill_reference=cells.reference("bill_reference"),
        login_name=cells.login_name("login_name"),
        currency_code=currency_code,
        minor_units=cells.minor_units("amount", currency_code=currency_code),
        description=cells.text("description", characters_max=DESCRIPTION_CHARACTERS_MAX),
        due_on=cells.day("due_on"),
    )


def _read_ticket(cells: Cells) -> TicketRow:
    row = TicketRow(
        event_id=cells.id("event_id"),
        ticket_id=cells.ticket_id("ticket_id"),
        login_name=cells.login_name("login_name"),
        entries=cells.whole_number("entries", at_most=ENTRIES_MAX, default=1),
        valid_from=cells.moment("valid_from"),
        valid_until=cells.moment("valid_until", is_end=True),
        place=cells.text("place", characters_max=PLACE_CHARACTERS_MAX),
    )
    if row.valid_from and row.valid_until and row.valid_until <= row.valid_from:
        column, advice = "valid_until", "Correct it; the ticket would end before it begins."
        raise BadCell(column, advice)
    return row


def _read_grant(cells: Cells) -> PointsGrantRow:
    return PointsGrantRow(
        programme_id=cells.id("programme_id"),
        login_name=cells.login_name("login_name"),
        grant_reference=cells.reference("grant_reference"),
        points=cells.whole_number("points", at_most=POINTS_MAX),
    )


_CUSTOMER: Final = Column(name="login_name", meaning="Login name of the customer.")

BILL_FORM: Final = Form(
    noun="bill",
    columns=(
        Column(name="merchant_id", meaning="Merchant that is owed."),
        Column(name="bill_reference", meaning="Reference, unique within the merchant."),
        _CUSTOMER,
        Column(name="amount", meaning="Amount as 12.50, with a point."),
        Column(name="currency_code", meaning="Currency of ISO 4217, as EUR."),
        Column(name="description", meaning="What it is for.", is_required=False),
        Column(name="due_on", meaning="Day it is due, as 2026-05-01.", is_required=False),
    ),
    read=_read_bill,
    column_of_reason={
        "MERCHANT_NOT_FOUND": "merchant_id",
        "CUSTOMER_NOT_FOUND": "login_name",
        "TOO_MANY_REGISTRATIONS": "login_name",
        "ALREADY_EXISTS_DIFFERENT": "bill_reference",
    },
)

TICKET_FORM: Final = Form(
    noun="ticket",
    has_days=True,
    columns=(
        Column(name="event_id", meaning="Event it admits to."),
        Column(name="ticket_id", meaning="Reference, unique within the event."),
        _CUSTOMER,
        Column(
            name="entries", meaning="Entries it is good for; 1 when left out.", is_required=False
        ),
        Column(
            name="valid_from",
            meaning="Begin, as 2026-05-01T18:00+02:00, or a day.",
            is_required=False,
        ),
        Column(
            name="valid_until",
            meaning="End, a time like the begin, or the last day.",
            is_required=False,
        ),
        Column(name="place", meaning="Place printed on it.", is_required=False),
    ),
    read=_read_ticket,
    column_of_reason={
        "EVENT_NOT_FOUND": "event_id",
        "CUSTOMER_NOT_FOUND": "login_name",
        "TOO_MANY_REGISTRATIONS": "login_name",
        "ALREADY_EXISTS_DIFFERENT": "ticket_id",
    },
)

POINTS_FORM: Final = Form(
    noun="grant",
    columns=(
        Column(name="programme_id", meaning="Points programme."),
        _CUSTOMER,
        Column(
            name="grant_reference",
            meaning="Reference, unique within programme and customer.",
        ),
        Column(name="points", meaning="Points to add."),
    ),
    read=_read_grant,
    column_of_reason={
        "PROGRAMME_NOT_FOUND": "programme_id",
        "CUSTOMER_NOT_FOUND": "login_name",
        "TOO_MANY_REGISTRATIONS": "login_name",
        "ALREADY_EXISTS_DIFFERENT": "grant_reference",
    },
)
