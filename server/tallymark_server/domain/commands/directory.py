"""What operators can ask of the rules, and what exchanges an enrolment code."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Event,
    Merchant,
    PointsProgramme,
    Policy,
)
from tallymark_server.domain.model.registrations import Bill, PointsGrant, Ticket

__all__ = [
    "AddBill",
    "AddTicket",
    "CreateEvent",
    "CreateMerchant",
    "CreateOperator",
    "CreateProgramme",
    "CreateTerminal",
    "Enrol",
    "GrantPoints",
    "RevokeTerminal",
    "SetPolicy",
]


class Enrol(Command, frozen=True, kw_only=True):
    """Exchange a one-time code for a secret."""

    kind: CallerKind
    code_hash: str
    secret_hash: str


class CreateOperator(Command, frozen=True, kw_only=True):
    """Add an operator."""

    operator_id: str
    code_hash: str


class CreateMerchant(Command, frozen=True, kw_only=True):
    """Add a merchant."""

    merchant: Merchant


class CreateTerminal(Command, frozen=True, kw_only=True):
    """Add a terminal."""

    terminal_id: str
    merchant_id: str
    code_hash: str


class RevokeTerminal(Command, frozen=True, kw_only=True):
    """Shut a terminal out."""

    terminal_id: str


class CreateEvent(Command, frozen=True, kw_only=True):
    """Add an event."""

    event: Event


class CreateProgramme(Command, frozen=True, kw_only=True):
    """Add a points programme."""

    programme: PointsProgramme


class AddBill(Command, frozen=True, kw_only=True):
    """Add a bill for the customer with its login name, of which this is the keyed hash."""

    bill: Bill
    login_hash: str


class AddTicket(Command, frozen=True, kw_only=True):
    """Add a ticket for the customer with its login name, of which this is the keyed hash."""

    ticket: Ticket
    login_hash: str


class GrantPoints(Command, frozen=True, kw_only=True):
    """Add points to the customer whose login name has this keyed hash."""

    grant: PointsGrant
    login_hash: str


class SetPolicy(Command, frozen=True, kw_only=True):
    """Set the next version of the policy; its version is the one it was read with."""

    policy: Policy
