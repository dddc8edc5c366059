"""Customers, their devices and sessions, and the names by which they are found."""

from typing import ClassVar

import msgspec

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.state import Key, Row

__all__ = [
    "BillReference",
    "Card",
    "Customer",
    "Device",
    "LiveCode",
    "Login",
    "NumberOwner",
    "Session",
    "TicketReference",
]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A registered card; its number is with the credit institution only."""

    card_id: str
    card_token: str
    brand: str
    last_four: str
    expires_on: str

    def __repr__(self) -> str:
        """Leave out the token."""
        return f"Card(card_id={self.card_id!r}, brand={self.brand!r})"


class BillReference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a customer's bill is found."""

    merchant_id: str
    bill_reference: str


class TicketReference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a customer's ticket is found."""

    event_id: str
    ticket_id: str


class Customer(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A customer with what is registered. The first card is the default one."""

    table: ClassVar[str] = "customers"

    customer_id: str
    login_name: str
    password_hash: str
    registered_at: int
    telephone_number: str = ""
    number_code: str = ""
    """Keyed hash of the verification code that was sent; empty when none is waited for."""

    number_attempts: int = 0
    number_verified: bool = False
    device_ids: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    bills: tuple[BillReference, ...] = ()
    tickets: tuple[TicketReference, ...] = ()
    programme_ids: tuple[str, ...] = ()
    last_event: int = 0
    prompt_process_id: str = ""

    @property
    def text(self) -> str:
        """Key text: the customer's id."""
        return self.customer_id

    @staticmethod
    def key_of(partition: int, customer_id: str) -> "Key[Customer]":
        """Return the key of the customer with this id."""
        return Key(Customer, partition, customer_id)

    def __repr__(self) -> str:
        """Leave out hash, number and code."""
        return f"Customer(customer_id={self.customer_id!r})"


class LiveCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that a device may still show."""

    code_text: str
    purpose: int
    expires_at: int


class Device(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A phone of a customer, with the codes it may still show."""

    table: ClassVar[str] = "devices"

    device_id: str
    customer_id: str
    name: str
    removed: bool = False
    live_codes: tuple[LiveCode, ...] = ()
    session_texts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Key text: the device's id."""
        return self.device_id

    @staticmethod
    def key_of(partition: int, device_id: str) -> "Key[Device]":
        """Return the key of the device with this id."""
        return Key(Device, partition, device_id)


class Session(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A signed-in device, found by the SHA-256 of its token."""

    table: ClassVar[str] = "sessions"

    token_hash: str
    customer_id: str
    device_id: str
    expires_at: int

    @property
    def text(self) -> str:
        """Key text: the hash of the token."""
        return self.token_hash

    @staticmethod
    def key_of(token_hash: str) -> "Key[Session]":
        """Return the key of the session with this token hash."""
        return Key(Session, DIRECTORY, token_hash)


class Login(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The directory from login names to customers."""

    table: ClassVar[str] = "logins"

    login_name: str
    customer_id: str
    customer_partition: int

    @property
    def text(self) -> str:
        """Key text: the login name."""
        return self.login_name

    @staticmethod
    def key_of(login_name: str) -> "Key[Login]":
        """Return the key of this login name."""
        return Key(Login, DIRECTORY, login_name)


class NumberOwner(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The directory from verified telephone numbers, as keyed hashes, to customers."""

    table: ClassVar[str] = "number_owners"

    number_hash: str
    customer_id: str
    customer_partition: int

    @property
    def text(self) -> str:
        """Key text: the keyed hash of the number."""
        return self.number_hash

    @staticmethod
    def key_of(number_hash: str) -> "Key[NumberOwner]":
        """Return the key of the number with this keyed hash."""
        return Key(NumberOwner, DIRECTORY, number_hash)
