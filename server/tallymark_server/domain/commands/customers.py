"""What customers can ask of the rules about themselves."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.commands.passwords import UsesPassword
from tallymark_server.domain.model.people import Card

__all__ = [
    "AddDevice",
    "OpenSession",
    "RegisterCard",
    "RegisterCustomer",
    "RemoveCard",
    "RemoveDevice",
]


class RegisterCustomer(Command, frozen=True, kw_only=True):
    """Add a customer with a first device and session. The partition is the new customer's.

    Codes of numbers come as keyed hashes, the login name also as one.
    """

    customer_id: str
    login_name: str
    login_hash: str
    password_hash: str
    telephone_number: str
    number_code: str
    device_id: str
    device_name: str
    token_hash: str


class OpenSession(UsesPassword, frozen=True, kw_only=True):
    """Sign a device in; the password was right."""

    customer_id: str
    device_id: str
    token_hash: str


class AddDevice(UsesPassword, frozen=True, kw_only=True):
    """Add a device and sign it in; the password was right."""

    customer_id: str
    device_id: str
    device_name: str
    token_hash: str


class RemoveDevice(Command, frozen=True, kw_only=True):
    """Remove a device with its sessions and codes."""

    device_id: str


class RegisterCard(Command, frozen=True, kw_only=True):
    """Keep a card that the credit institution has accepted."""

    card: Card
    make_default: bool


class RemoveCard(Command, frozen=True, kw_only=True):
    """Forget a card."""

    card_id: str
