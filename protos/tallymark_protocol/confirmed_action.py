"""One action as the customer saw it: a part of the statement that confirmation.py describes."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tallymark_protocol.strict_values import (
    demand,
    demand_number,
    demand_text,
    list_of,
    one_of,
)

__all__ = [
    "ActionKind",
    "Amount",
    "ConfirmedAction",
    "Direction",
    "Funding",
    "Standing",
    "amount_from_list",
    "amount_to_list",
]

_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class ActionKind(StrEnum):
    """What an action does."""

    CHARGE = "charge"
    PAY_BILL = "pay_bill"
    ADMIT = "admit"
    READ_POINTS = "read_points"
    EARN_POINTS = "earn_points"
    BURN_POINTS = "burn_points"


class Standing(StrEnum):
    """What was decided about an action when the customer saw it."""

    ASKED = "ASKED"
    """Nothing yet: only what the terminal asked for is known."""

    GRANTED = "GRANTED"
    """It will be done as it stands here, if the customer approves."""

    REFUSED = "REFUSED"
    """It will not be done, and so nothing of the process will."""


class Funding(StrEnum):
    """How a bill is paid."""

    NONE = ""
    AT_TERMINAL = "AT_TERMINAL"
    CARD = "CARD"


class Direction(StrEnum):
    """Which way the customer passes the gate."""

    NONE = ""
    ENTRY = "ENTRY"
    EXIT = "EXIT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """An amount of money.

    Raises:
        ValueError: no currency of three capital letters, or no whole number from 0 to 2^63 - 1.

    """

    currency_code: str
    minor_units: int

    def __post_init__(self) -> None:
        """Refuse what is no amount, whoever built it."""
        demand_text(self.currency_code)
        is_currency = _CURRENCY.fullmatch(self.currency_code) is not None
        demand(is_currency, "a currency is three capital letters")
        demand_number(self.minor_units)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmedAction:
    """An action: a granted one whole, another only as far as it was asked for.

    Raises:
        ValueError: a value that an action of this kind and standing does not have, or lacks.

    """

    kind: ActionKind
    standing: Standing

    amount: Amount | None = None
    """What is charged, what the bill asks for, or what the spent points are worth."""

    bill_reference: str = ""
    funding: Funding = Funding.NONE
    event_id: str = ""
    ticket_id: str = ""
    direction: Direction = Direction.NONE
    programme_id: str = ""
    points: int = 0

    def __post_init__(self) -> None:
        """Refuse every value that such an action does not have, whoever built it."""
        for text in (self.bill_reference, self.event_id, self.ticket_id, self.programme_id):
            demand_text(text)
        demand_number(self.points)
        asked, perhaps, granted = _FIELDS[self.kind]
        is_granted = self.standing is Standing.GRANTED
        needed = asked | granted if is_granted else asked
        allowed = needed if is_granted else asked | perhaps
        filled = {name for name in _FIELD_NAMES if getattr(self, name) not in _EMPTY}
        name = f"an action {self.kind} that is {self.standing}"
        demand(needed <= filled, f"{name} lacks {', '.join(sorted(needed - filled))}")
        demand(filled <= allowed, f"{name} has no {', '.join(sorted(filled - allowed))}")

    def to_list(self) -> list[object]:
        """Return the ten places of the statement, empty where they do not apply."""
        return [
            self.kind.value,
            self.standing.value,
            amount_to_list(self.amount),
            self.bill_reference,
            self.funding.value,
            self.event_id,
            self.ticket_id,
            self.direction.value,
            self.programme_id,
            self.points,
        ]

    @classmethod
    def from_list(cls, value: object) -> "ConfirmedAction":
        """Return the action of ten places.

        Raises:
            ValueError: they are those of no action.

        """
        kind, standing, amount, bill, funding, event, ticket, direction, programme, points = (
            list_of(value, 10)
        )
        return cls(
            kind=one_of(ActionKind, kind),
            standing=one_of(Standing, standing),
            amount=amount_from_list(amount),
            bill_reference=bill,
            funding=one_of(Funding, funding),
            event_id=event,
            ticket_id=ticket,
            direction=one_of(Direction, direction),
            programme_id=programme,
            points=points,
        )


def amount_to_list(amount: Amount | None) -> list[object] | None:
    """Return the two places of an amount; None for none."""
    return None if amount is None else [amount.currency_code, amount.minor_units]


def amount_from_list(value: object) -> Amount | None:
    """Return the amount of two places; None for none.

    Raises:
        ValueError: they are those of no amount.

    """
    if value is None:
        return None
    currency_code, minor_units = list_of(value, 2)
    return Amount(currency_code=currency_code, minor_units=minor_units)


# Of each kind of action: what is always asked for, what perhaps is, and what is granted besides.
_FIELDS: Final[dict[ActionKind, tuple[frozenset[str], frozenset[str], frozenset[str]]]] = {
    kind: (frozenset(asked.split()), frozenset(perhaps.split()), frozenset(granted.split()))
    for kind, asked, perhaps, granted in (
        (ActionKind.CHARGE, "", "amount", "amount"),
        (ActionKind.PAY_BILL, "funding", "bill_reference", "bill_reference amount"),
        (ActionKind.ADMIT, "event_id direction", "", "ticket_id"),
        (ActionKind.READ_POINTS, "", "", "programme_id"),
        (ActionKind.EARN_POINTS, "points", "", "programme_id"),
        (ActionKind.BURN_POINTS, "points", "", "programme_id amount"),
    )
}
_FIELD_NAMES: Final = frozenset[str]().union(*(each for sets in _FIELDS.values() for each in sets))
_EMPTY: Final = (None, "", 0)
