"""Which columns each list shows. With --json the whole rows are shown instead."""

from typing import Final

from tallymark_admin.open_questions import institution_of, next_steps_of, reasons_of
from tallymark_admin.plain import Plain, Row
from tallymark_admin.tables import TableColumn, amount_of, moment, money, text

__all__ = [
    "BILLS",
    "CUSTOMERS",
    "DEVICES",
    "DIFFERENCES",
    "EVENTS",
    "JOURNAL",
    "KEYS",
    "MERCHANTS",
    "OPERATORS",
    "POINTS_ACCOUNTS",
    "PROCESSES",
    "PROGRAMMES",
    "REPORTED_SALES",
    "TERMINALS",
    "TICKETS",
    "UNRESOLVED",
]


def _dict(value: Plain) -> Row:
    return value if isinstance(value, dict) else {}


def _inner(outer: str, inner: str) -> TableColumn:
    """Show a field of a field; nothing when either is unset."""
    return TableColumn(title=inner, cell=lambda row: str(_dict(row[outer]).get(inner) or ""))


OPERATORS: Final = (text("operator_id"), text("enrolled"), text("revoked"))

MERCHANTS: Final = (text("merchant_id"), text("name"), text("programme_id"))

TERMINALS: Final = (
    text("terminal_id"),
    text("merchant_id"),
    text("state"),
    moment("enrolled_at"),
    text("concentrator_id"),
)

EVENTS: Final = (text("event_id"), text("merchant_id"), text("name"), text("reentry_rule"))

PROGRAMMES: Final = (
    text("programme_id"),
    text("name"),
    money("point_value"),
    text("earn_points_max", is_number=True),
)

BILLS: Final = (
    text("merchant_id"),
    text("bill_reference"),
    text("login_name"),
    money("amount"),
    text("state"),
    text("due_on"),
    text("description"),
)

TICKETS: Final = (
    text("event_id"),
    text("ticket_id"),
    text("login_name"),
    TableColumn(
        title="used",
        cell=lambda row: f"{row['entries_used']} of {row['entries']}",
        is_number=True,
    ),
    moment("valid_from"),
    moment("valid_until"),
    text("place"),
)

POINTS_ACCOUNTS: Final = (
    text("login_name"),
    text("programme_id"),
    text("balance", is_number=True),
    text("held", is_number=True),
    text("debt", is_number=True),
    text("version", is_number=True),
)

CUSTOMERS: Final = (
    text("customer_id"),
    text("login_name"),
    moment("registered_at"),
    text("devices", is_number=True),
    text("cards", is_number=True),
    text("number_verified"),
)

DEVICES: Final = (
    text("device_id"),
    text("name"),
    moment("added_at"),
    text("sessions", is_number=True),
)

KEYS: Final = (
    text("kind"),
    text("key_id", is_number=True),
    text("in_use"),
    moment("valid_from"),
    moment("valid_until"),
    text("cells_left", is_number=True),
    _inner("public_key", "algorithm"),
    _inner("public_key", "key_bytes"),
    text("epoch", is_number=True),
)

JOURNAL: Final = (
    text("sequence", is_number=True),
    moment("decided_at"),
    text("command"),
    text("caller"),
    text("process_id"),
    text("state"),
)


def _outcomes(process: Row) -> list[Row]:
    outcomes = process["actions"]
    return [_dict(outcome) for outcome in outcomes] if isinstance(outcomes, list) else []


def _action(outcome: Row) -> str:
    """Return an action in few words, such as "charge 4.20 EUR" or "earn points 5"."""
    for kind, asked in _dict(outcome["action"]).items():
        told = _dict(_dict(outcome["instruction"]).get(kind))
        values = _dict(asked) | told
        points, event = values.get("points"), values.get("event_id")
        amount = amount_of(values.get("amount"))
        bill = values.get("bill_reference")
        parts = (kind.replace("_", " "), event, bill, amount, points)
        return " ".join(str(part) for part in parts if part)
    return ""


_ACTIONS: Final = TableColumn(
    title="actions", cell=lambda process: ", ".join(map(_action, _outcomes(process)))
)

PROCESSES: Final = (
    text("process_id"),
    text("state"),
    moment("created_at"),
    text("merchant_id"),
    text("terminal_id"),
    _ACTIONS,
    _inner("refusal", "reason"),
)

UNRESOLVED: Final = (
    text("process_id"),
    text("state"),
    moment("created_at"),
    moment("execute_by"),
    text("merchant_id"),
    text("terminal_id"),
    _ACTIONS,
    TableColumn(title="why", cell=reasons_of),
    TableColumn(title="institution", cell=institution_of),
    TableColumn(title="next_step", cell=next_steps_of),
)

DIFFERENCES: Final = (
    text("kind"),
    text("under_way"),
    text("authorisation_id"),
    text("process_id"),
    text("settlement_here"),
    money("amount_here"),
    text("state_there"),
    money("amount_there"),
)

REPORTED_SALES: Final = (
    text("process_id"),
    text("terminal_id"),
    text("outcome"),
    moment("reported_at"),
    TableColumn(title="problems", cell=lambda row: _sentences(row["problems"])),
)


def _sentences(value: Plain) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else ""
