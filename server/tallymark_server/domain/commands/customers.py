"""What customers can ask of the rules about themselves."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.commands.passwords import RightPassword, UsesPassword
from tallymark_server.domain.model.numbers import TelephoneNumber
from tallymark_server.domain.model.people import Card, DeviceKey

__all__ = [
    "AddDevice",
    "ChangePassword",
    "InviteDevice",
    "OpenSession",
    "RegisterCard",
    "RegisterCustomer",
    "RemoveCard",
    "RemoveDevice",
    "RevokeDevice",
]


class RegisterCustomer(Command, frozen=True, kw_only=True):
    """Add a customer with a first device, which proved its key, and a session.

    The partition is the new customer's. Codes of numbers come as keyed hashes, the login name also
    as one.
    """

    customer_id: str
    login_name: str
    login_hash: str
    password_hash: str
    number: TelephoneNumber | None
    code_hash: str
    device_id: str
    device_name: str
    device_key: DeviceKey
    token_hash: str


class OpenSession(UsesPassword, frozen=True, kw_only=True):
    """Sign a device in, which proved its key."""

    password: RightPassword
    customer_id: str
    device_id: str
    token_hash: str


class AddDevice(UsesPassword, frozen=True, kw_only=True):
    """Add a device, which proved its key, and sign it in. The invitation is used up."""

    password: RightPassword
    customer_id: str
    invitation_hash: str
    device_id: str
    device_name: str
    device_key: DeviceKey
    token_hash: str


class InviteDevice(Command, frozen=True, kw_only=True):
    """Let the customer add a device; the customer asks, or the operator."""

    customer_id: str
    code_hash: str


class RemoveDevice(Command, frozen=True, kw_only=True):
    """Remove a device with its sessions and codes."""

    device_id: str


class RevokeDevice(Command, frozen=True, kw_only=True):
    """Remove a device at the operator's word."""

    customer_id: str
    device_id: str


class ChangePassword(UsesPassword, frozen=True, kw_only=True):
    """Set another password, which comes as its hash, and end all other sessions."""

    password: RightPassword
    password_hash: str


class RegisterCard(Command, frozen=True, kw_only=True):
    """Keep a card that the credit institution has accepted."""

    card: Card
    make_default: bool


class RemoveCard(Command, frozen=True, kw_only=True):
    """Forget a card."""

    card_id: str
