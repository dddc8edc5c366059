"""What a terminal asks for in one scan, as its own values; the names are the contract's."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias

from tallymark_terminal.money import Money

__all__ = [
    "Action",
    "Admit",
    "AdmitDirection",
    "BurnPoints",
    "Charge",
    "EarnPoints",
    "Funding",
    "PayBill",
    "ReadPoints",
    "SaleRequest",
    "UnknownAction",
]


class Funding(StrEnum):
    """How a bill is paid."""

    AT_TERMINAL = "AT_TERMINAL"
    CARD = "CARD"
    UNKNOWN = "UNKNOWN"


class AdmitDirection(StrEnum):
    """Which way the customer passes the gate."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """Take money from the card: this amount, or what is left to pay if it is None."""

    kind: ClassVar[str] = "charge"
    amount: Money | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PayBill:
    """Pay a bill; an empty reference leaves the choice to the server."""

    kind: ClassVar[str] = "pay_bill"
    bill_reference: str
    funding: Funding


@dataclass(frozen=True, kw_only=True, slots=True)
class Admit:
    """Let the customer in or out."""

    kind: ClassVar[str] = "admit"
    event_id: str
    direction: AdmitDirection


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPoints:
    """Tell the points held."""

    kind: ClassVar[str] = "read_points"


@dataclass(frozen=True, kw_only=True, slots=True)
class EarnPoints:
    """Add points on completion."""

    kind: ClassVar[str] = "earn_points"
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BurnPoints:
    """Take points on completion."""

    kind: ClassVar[str] = "burn_points"
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownAction:
    """A kind of action that this version does not know; only ever in answers."""

    kind: ClassVar[str] = "unknown"


Action: TypeAlias = Charge | PayBill | Admit | ReadPoints | EarnPoints | BurnPoints | UnknownAction


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleRequest:
    """Everything that is asked for in one scan, and how far the terminal takes it by itself."""

    actions: tuple[Action, ...]
    sale_total: Money | None = None
    """Total before points and without bills; needed for a charge of what is left to pay."""

    complete_on_instruction: bool = False
    """Whether the server completes at once, so that a gate makes one call instead of two."""

    set_points: int | None = None
    """Points balance to report before completion."""

    is_held: bool = False
    """Whether to stop after the instruction is shown and leave completion to another command."""
