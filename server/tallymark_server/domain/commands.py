"""What can be asked of the rules.

A command carries everything that a decision may not make up: ids, hashes, random bytes.
"""

import msgspec

from tallymark_server.domain.authorisation import (
    AuthorisationResult,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.model.actions import Ask
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Event,
    Merchant,
    PointsProgramme,
    Policy,
)
from tallymark_server.domain.model.people import BillReference, Card, TicketReference
from tallymark_server.domain.model.processes import CodePurpose
from tallymark_server.domain.model.registrations import Bill, PointsGrant, Ticket
from tallymark_server.domain.money import Money

__all__ = [
    "AddBill",
    "AddDevice",
    "AddTicket",
    "Caller",
    "CodeIdentification",
    "Command",
    "CompleteProcess",
    "ConfirmProcess",
    "CreateEvent",
    "CreateMerchant",
    "CreateOperator",
    "CreateProgramme",
    "CreateTerminal",
    "DisputeProcess",
    "Enrol",
    "FireTimer",
    "GrantPoints",
    "IssueCode",
    "OpenSession",
    "ProcessName",
    "RecordAuthorisation",
    "RecordSettlement",
    "RegisterCard",
    "RegisterCustomer",
    "RemoveCard",
    "RemoveDevice",
    "RequestKey",
    "ResolveCode",
    "ReverseProcess",
    "RevokeCode",
    "RevokeTerminal",
    "SetPolicy",
    "SettleProcess",
    "TelephoneIdentification",
    "UpdatePoints",
    "VerifyNumber",
]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks.

    `caller_id` is the customer's, terminal's or operator's id; it outlives devices and secrets.
    """

    kind: CallerKind
    caller_id: str
    device_id: str = ""
    merchant_id: str = ""

    @property
    def name(self) -> str:
        """Kind and id, for requests and the journal."""
        return f"{self.kind}/{self.caller_id}"


class RequestKey(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's own id of the request, and a keyed hash of its body."""

    rpc: str
    request_id: str
    fingerprint: str


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A wish of a caller, decided in one partition; with a request, once and for all."""

    caller: Caller
    partition: int
    request: RequestKey | None = None


# Customers


class RegisterCustomer(Command, frozen=True, kw_only=True):
    """Add a customer with a first device and session. The partition is the new customer's.

    Codes of numbers come as keyed hashes.
    """

    customer_id: str
    login_name: str
    password_hash: str
    telephone_number: str
    number_code: str
    device_id: str
    device_name: str
    token_hash: str


class VerifyNumber(Command, frozen=True, kw_only=True):
    """Prove that the telephone number is the customer's."""

    number_code: str
    number_hash: str


class OpenSession(Command, frozen=True, kw_only=True):
    """Sign a device in; the password was right."""

    customer_id: str
    device_id: str
    token_hash: str


class AddDevice(Command, frozen=True, kw_only=True):
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


# Codes


class IssueCode(Command, frozen=True, kw_only=True):
    """Keep a new code. It was made by the caller of the rules, who has the keys."""

    cti_hash: str
    text_hash: str
    expires_at_seconds: int
    purpose: CodePurpose
    card_id: str
    bill: BillReference | None
    ticket: TicketReference | None
    audience: str
    password_given: bool


class RevokeCode(Command, frozen=True, kw_only=True):
    """Revoke the device's unused codes, of one purpose or all."""

    purpose: CodePurpose | None


# Processes


class CodeIdentification(msgspec.Struct, frozen=True, kw_only=True, tag="code"):
    """A code with the right MAC was shown."""

    expires_at_seconds: int
    cti_hash: str
    text_hash: str


class TelephoneIdentification(msgspec.Struct, frozen=True, kw_only=True, tag="telephone"):
    """A telephone number was given."""

    number_hash: str


class ResolveCode(Command, frozen=True, kw_only=True):
    """Claim the code and decide the actions."""

    identification: CodeIdentification | TelephoneIdentification
    asks: tuple[Ask, ...]
    sale_total: Money | None
    complete_on_instruction: bool
    fresh: bytes
    digits: str


class ProcessName(msgspec.Struct, frozen=True, kw_only=True):
    """A process by its id, or by the terminal's own request_id of ResolveCode."""

    process_id: str = ""
    resolve_request_id: str = ""


class CompleteProcess(Command, frozen=True, kw_only=True):
    """The terminal has executed the instructions."""

    name: ProcessName


class ReverseProcess(Command, frozen=True, kw_only=True):
    """The terminal gives up or takes back."""

    name: ProcessName
    note: str
    fresh: bytes


class UpdatePoints(Command, frozen=True, kw_only=True):
    """The terminal reports a changed number of points."""

    name: ProcessName
    version: int
    new_balance: int


class ConfirmProcess(Command, frozen=True, kw_only=True):
    """The customer answers."""

    process_id: str
    approve: bool
    digits: str


class DisputeProcess(Command, frozen=True, kw_only=True):
    """The customer did not want this process."""

    process_id: str
    statement: str


class FireTimer(Command, frozen=True, kw_only=True):
    """A process's time is over, if the timer is still the one that was set."""

    process_id: str
    timer_at: int


class RecordAuthorisation(Command, frozen=True, kw_only=True):
    """The credit institution answered an authorisation; None: unknown, ask again."""

    process_id: str
    action: int
    attempt: int
    result: AuthorisationResult | None


class RecordSettlement(Command, frozen=True, kw_only=True):
    """The credit institution answered a capture or reversal; None: unknown, tell it again."""

    process_id: str
    action: int
    attempt: int
    result: CaptureResult | ReversalResult | None


class SettleProcess(Command, frozen=True, kw_only=True):
    """An operator decides a process that waits for a person."""

    process_id: str
    executed: bool
    note: str


# The operator's lists


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
    """Add a bill for the customer with its login name."""

    bill: Bill


class AddTicket(Command, frozen=True, kw_only=True):
    """Add a ticket for the customer with its login name."""

    ticket: Ticket


class GrantPoints(Command, frozen=True, kw_only=True):
    """Add points to the customer with this login name."""

    grant: PointsGrant
    login_name: str


class SetPolicy(Command, frozen=True, kw_only=True):
    """Set the next version of the policy; its version is the one it was read with."""

    policy: Policy
