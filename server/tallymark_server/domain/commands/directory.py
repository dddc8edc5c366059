"""What operators can ask of the rules about their lists."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.merchants import (
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
    "CreateProgramme",
    "GrantPoints",
    "SetPolicy",
]


class CreateMerchant(Command, frozen=True, kw_only=True):
    """Add a merchant."""

    merchant: Merchant


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
