"""Customers, their devices and sessions, and the names by which they are found."""

from typing import ClassVar

from tallymark_server.domain.model.numbers import NumberProof, TelephoneNumber
from tallymark_server.domain.model.tallies import Tally
from tallymark_server.domain.state import CustomerRow, DirectoryRow
from tallymark_server.domain.value import Value

__all__ = [
    "BillReference",
    "Card",
    "Customer",
    "Device",
    "DeviceKey",
    "Invitation",
    "LiveCode",
    "Login",
    "NumberOwner",
    "Session",
    "TicketReference",
]


class Card(Value, frozen=True, kw_only=True):
    """A registered card; its number is with the credit institution only."""

    card_id: str
    card_token: str
    brand: str
    last_four: str
    expires_on: str

    def __repr__(self) -> str:
        """Leave out the token."""
        return f"Card(card_id={self.card_id!r}, brand={self.brand!r})"


class BillReference(Value, frozen=True, kw_only=True):
    """Where a customer's bill is found."""

    merchant_id: str
    bill_reference: str


class TicketReference(Value, frozen=True, kw_only=True):
    """Where a customer's ticket is found."""

    event_id: str
    ticket_id: str


class Invitation(Value, frozen=True, kw_only=True):
    """A right to add one device, known by the SHA-256 of its code."""

    code_hash: str
    expires_at: int
    device_id: str = ""
    """Device on which it was made; empty when the operator made it."""


class Customer(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """A customer with what is registered. The first card is the default one."""

    table: ClassVar[str] = "customers"
    key_fields: ClassVar[tuple[str, ...]] = ("customer_id",)

    customer_id: str
    login_name: str
    password_hash: str
    registered_at: int
    number: TelephoneNumber | None = None
    """Telephone number that was verified, and is nobody else's since."""

    number_proof: NumberProof | None = None
    number_codes: Tally = Tally()
    """Verification codes sent on the last day one was."""

    device_ids: tuple[str, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    cards: tuple[Card, ...] = ()
    bills: tuple[BillReference, ...] = ()
    tickets: tuple[TicketReference, ...] = ()
    programme_ids: tuple[str, ...] = ()
    last_event: int = 0
    prompt_process_id: str = ""
    """Process that the customer is being asked about by telephone number."""

    prompts_unanswered: int = 0
    prompts_from: int = 0
    """Such questions in a row without a yes, and the time from which there may be another."""

    unconfirmed: Tally = Tally()
    """What was charged without confirmation on the last day there was such a charge."""

    password_version: int = 0
    """How often the password was changed."""

    @property
    def telephone_number(self) -> str:
        """The number in force, else the one that waits to be verified; empty for neither."""
        waiting = self.number_proof.number if self.number_proof else None
        shown = self.number or waiting
        return shown.digits if shown else ""

    @property
    def number_verified(self) -> bool:
        """Whether a number is in force."""
        return self.number is not None

    def __repr__(self) -> str:
        """Leave out hash, number and code."""
        return f"Customer(customer_id={self.customer_id!r})"


class LiveCode(Value, frozen=True, kw_only=True):
    """A code that a device may still show."""

    code_text: str
    purpose: int
    expires_at: int


class DeviceKey(Value, frozen=True, kw_only=True):
    """A device's public key: the algorithm's number and the bytes as in the contract."""

    algorithm: int
    key_bytes: bytes


class Device(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """A phone of a customer, with the codes it may still show.

    One key may be that of several devices: nothing is found by it.
    """

    table: ClassVar[str] = "devices"
    key_fields: ClassVar[tuple[str, ...]] = ("device_id",)

    device_id: str
    customer_id: str
    name: str
    public_key: DeviceKey
    added_at: int
    removed: bool = False
    live_codes: tuple[LiveCode, ...] = ()
    session_texts: tuple[str, ...] = ()


class Session(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A signed-in device, found by the SHA-256 of its token."""

    table: ClassVar[str] = "sessions"
    is_open: ClassVar[bool] = True  # hashes and ids
    key_fields: ClassVar[tuple[str, ...]] = ("token_hash",)

    token_hash: str
    customer_id: str
    device_id: str
    expires_at: int


class Login(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """The directory from login names, as keyed hashes, to customers."""

    table: ClassVar[str] = "logins"
    is_open: ClassVar[bool] = True  # keyed hashes and ids
    key_fields: ClassVar[tuple[str, ...]] = ("login_hash",)

    login_hash: str
    customer_id: str
    customer_partition: int


class NumberOwner(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """The directory from verified telephone numbers, as keyed hashes, to customers."""

    table: ClassVar[str] = "number_owners"
    is_open: ClassVar[bool] = True  # keyed hashes and ids
    key_fields: ClassVar[tuple[str, ...]] = ("number_hash",)

    number_hash: str
    customer_id: str
    customer_partition: int
