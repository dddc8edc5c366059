"""The members of a cast, and what each needs to call.

A member has two names. `name` is the same in every cast ("customer-17"), so that what one cast has
done is replayed by another one on another server. The ids are what the server knows the member by;
they begin with the cast's label, so that two casts can share a server.

A member is drawn up with its key and its request before anything is sent, and written down. When a
call's answer is lost, the same request is sent again and gets the same answer, so a broken
preparation goes on where it was.
"""

from dataclasses import dataclass, field
from typing import Final

from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.tls import ClientIdentity

__all__ = [
    "MEMBER_KEY",
    "Cast",
    "Customer",
    "Merchant",
    "Operator",
    "Server",
    "Terminal",
]

MEMBER_KEY: Final = "tallymark-load-member"
"""Key of the metadata that names the calling member, so that a recording tells who called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where the server of a cast answers, each HOST:PORT, and whom to trust."""

    phones: str
    """For phones, and for whoever enrols."""

    terminals: str = ""
    operators: str = ""
    ca_certificates_pem: str = ""
    """Empty: the authorities that the system trusts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Certified:
    """Who calls with a client certificate. Times are milliseconds since 1970."""

    private_key_pem: str = field(repr=False)
    request_id: str
    """Of the enrolment."""

    certificate_request: str = field(repr=False)
    """PKCS #10 in DER, as hexadecimal digits: it is signed at random, so it is kept as sent."""

    enrolment_code: str = field(default="", repr=False)
    """Good once; kept because only with it the enrolment can be repeated."""

    certificate_pem: str = field(default="", repr=False)
    """Empty until the member has enrolled."""

    renew_at_ms: int = 0
    expires_at_ms: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether the member has enrolled."""
        return bool(self.certificate_pem)

    def is_over(self, now_ms: int) -> bool:
        """Say whether the member had a certificate that has ended."""
        return self.is_ready and self.expires_at_ms <= now_ms

    @property
    def identity(self) -> ClientIdentity:
        """What mutual TLS presents."""
        return ClientIdentity(self.certificate_pem, self.private_key_pem)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator(_Certified):
    """The operator that prepares the server for the cast."""

    operator_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Merchant:
    """A business with an event of its own; all merchants share the cast's points programme."""

    name: str
    merchant_id: str
    event_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminal(_Certified):
    """A till or gate of a merchant."""

    name: str
    terminal_id: str
    merchant: str
    """Name of the merchant, as in `Cast.merchants`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """A customer with one phone. Times are milliseconds since 1970."""

    name: str
    login_name: str
    merchant: str
    """Name of the merchant that the customer goes to, and has a ticket of."""

    request_id: str
    """Of the registration."""

    password: str = field(repr=False)
    device_key_pem: str = field(repr=False)
    customer_id: str = ""
    """Empty until the customer is registered."""

    device_id: str = ""
    session_token: str = field(default="", repr=False)
    session_expires_at_ms: int = 0
    card_id: str = ""
    """Empty until a card is registered."""

    entries_used: int = 0
    """Entries of the tickets that loads have used so far."""

    @property
    def is_ready(self) -> bool:
        """Whether the customer is registered, with a card."""
        return bool(self.card_id)

    @property
    def device_key(self) -> DevicePrivateKey:
        """The key of the phone, read anew each time: keep it."""
        return DevicePrivateKey.from_pem(self.device_key_pem.encode())

    @property
    def credentials(self) -> tuple[tuple[str, str], ...]:
        """Metadata of every call of the phone."""
        return (("authorization", f"Bearer {self.session_token}"),)


@dataclass(kw_only=True, slots=True)
class Cast:
    """Everybody who calls a server, each by name. Members are replaced, never changed."""

    label: str
    """Begin of every id of this cast on its server."""

    server: Server
    operator: Operator | None = None
    merchants: dict[str, Merchant] = field(default_factory=dict)
    terminals: dict[str, Terminal] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    furnished: int = 0
    """How many customers, in order, have got their ticket and points."""

    @property
    def programme_id(self) -> str:
        """Id of the points programme of all merchants: one point is one cent."""
        return f"{self.label}-points"

    @property
    def is_ready(self) -> bool:
        """Whether everybody can call."""
        return (
            all(terminal.is_ready for terminal in self.terminals.values())
            and all(customer.is_ready for customer in self.customers.values())
            and self.furnished == len(self.customers)
        )
