"""What the terminal is told to do, one instruction per action; the names are the contract's."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from tallymark_terminal.actions import AdmitDirection, Funding
from tallymark_terminal.money import Money

__all__ = [
    "AdmitInstruction",
    "BurnPointsInstruction",
    "ChargeInstruction",
    "EarnPointsInstruction",
    "Instruction",
    "PayBillInstruction",
    "ReadPointsInstruction",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeInstruction:
    """Hand out the goods: the card is authorised for the amount, or points paid for all of it."""

    kind: ClassVar[str] = "charge"
    amount: Money | None
    card_brand: str
    card_last_four: str
    authorisation_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PayBillInstruction:
    """Show the amount billed, and collect it if it is paid at the terminal."""

    kind: ClassVar[str] = "pay_bill"
    bill_reference: str
    amount: Money | None
    description: str
    due_on: str
    funding: Funding


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmitInstruction:
    """Open the gate."""

    kind: ClassVar[str] = "admit"
    event_id: str
    event_name: str
    ticket_id: str
    direction: AdmitDirection
    entries_left: int
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPointsInstruction:
    """Show the points held; `version` counts the postings so far."""

    kind: ClassVar[str] = "read_points"
    programme_id: str
    balance: int
    available: int
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EarnPointsInstruction:
    """Show the points that completion adds."""

    kind: ClassVar[str] = "earn_points"
    programme_id: str
    points: int
    balance_before: int
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BurnPointsInstruction:
    """Show the points that completion takes, and what they are worth."""

    kind: ClassVar[str] = "burn_points"
    programme_id: str
    points: int
    value: Money | None
    balance_before: int
    version: int


Instruction: TypeAlias = (
    ChargeInstruction
    | PayBillInstruction
    | AdmitInstruction
    | ReadPointsInstruction
    | EarnPointsInstruction
    | BurnPointsInstruction
)
