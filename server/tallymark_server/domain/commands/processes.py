"""What terminals, customers, the institution and time can ask of the rules about processes."""

from tallymark_server.domain.authorisation import (
    AuthorisationLookup,
    AuthorisationResult,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.actions import Ask
from tallymark_server.domain.model.people import DeviceKey
from tallymark_server.domain.money import Money
from tallymark_server.domain.value import Value

__all__ = [
    "CodeIdentification",
    "CompleteProcess",
    "ConfirmProcess",
    "DisputeProcess",
    "FireTimer",
    "ProcessName",
    "RecordAuthorisation",
    "RecordRecheck",
    "RecordSettlement",
    "ResolveCode",
    "ReverseProcess",
    "SettleProcess",
    "SignedStatement",
    "TelephoneIdentification",
    "UpdatePoints",
]


class CodeIdentification(Value, frozen=True, kw_only=True, tag="code"):
    """A code with the right MAC was shown."""

    expires_at_seconds: int
    cti_hash: str
    text_hash: str


class TelephoneIdentification(Value, frozen=True, kw_only=True, tag="telephone"):
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


class ProcessName(Value, frozen=True, kw_only=True):
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


class SignedStatement(Value, frozen=True, kw_only=True):
    """A statement and a signature over it that was verified by this key."""

    statement: bytes
    signature: bytes
    device_key: DeviceKey


class ConfirmProcess(Command, frozen=True, kw_only=True):
    """The customer answers, with a signature over what was shown; None: it fits nothing."""

    process_id: str
    approve: bool
    digits: str
    signed: SignedStatement | None


class DisputeProcess(Command, frozen=True, kw_only=True):
    """The customer did not want this process."""

    process_id: str
    statement: str


class FireTimer(Command, frozen=True, kw_only=True):
    """A process's time is over, if the timer is still the one that was set."""

    process_id: str
    timer_at: int


class RecordAuthorisation(Command, frozen=True, kw_only=True):
    """The credit institution answered an authorisation; None: unknown, ask again.

    `said` is the answer or the silence in words.
    """

    process_id: str
    action: int
    attempt: int
    result: AuthorisationResult | None
    said: str = ""


class RecordSettlement(Command, frozen=True, kw_only=True):
    """The credit institution answered a capture or reversal; None: unknown, tell it again.

    `said` is the answer or the silence in words; one is rejected if the call itself was.
    """

    process_id: str
    action: int
    attempt: int
    result: CaptureResult | ReversalResult | None
    said: str = ""
    is_rejected: bool = False


class RecordRecheck(Command, frozen=True, kw_only=True):
    """The credit institution told how a reversed authorisation stands; None: ask again."""

    process_id: str
    action: int
    attempt: int
    lookup: AuthorisationLookup | None
    serving_since: int
    """When the server was started, in milliseconds since 1970 by its clock."""

    said: str = ""
    is_rejected: bool = False


class SettleProcess(Command, frozen=True, kw_only=True):
    """An operator decides a process that waits for a person."""

    process_id: str
    executed: bool
    note: str
    try_again: bool = False
    """Instead of deciding, have the institution told once more."""
