"""Codes, processes, the requests that made them, and the work that is still to be done for them."""

from enum import IntEnum
from typing import ClassVar, Final

import msgspec

from tallymark_server.domain.identifiers import partition_of_id
from tallymark_server.domain.model.actions import Action, Refusal
from tallymark_server.domain.model.people import BillReference, DeviceKey, TicketReference
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import CustomerRow, Key, Row
from tallymark_server.domain.value import Value

__all__ = [
    "CALL",
    "FINAL_STATES",
    "TIMER",
    "Code",
    "CodePurpose",
    "CodeState",
    "CustomerProcess",
    "Due",
    "Posting",
    "Process",
    "ProcessState",
    "Request",
    "SignedAnswer",
    "StagedBalance",
    "TerminalView",
    "Unresolved",
]


TIMER: Final = "timer"
CALL: Final = "call"


class CodePurpose(IntEnum):
    """What a code may be used for; numbers as in the contract."""

    GENERAL = 1
    POINTS = 2
    TICKET = 3


class CodeState(IntEnum):
    """ISSUED, then CLAIMED and CONSUMED, or REVOKED.

    A code that is over its time stays ISSUED and is refused.
    """

    ISSUED = 1
    CLAIMED = 2
    CONSUMED = 3
    REVOKED = 4


class Code(Row, frozen=True, kw_only=True, omit_defaults=True):
    """An issued code, found by its expiry and the SHA-256 of its cti.

    The expiry stands first, so that new rows are kept together.
    """

    table: ClassVar[str] = "codes"
    is_open: ClassVar[bool] = True  # hashes, ids, references, a state

    expires_at_seconds: int
    cti_hash: str
    text_hash: str
    key_id: int
    """Number of the key that signed it."""

    customer_id: str
    device_id: str
    purpose: CodePurpose
    issued_at: int
    audience: str = ""
    card_id: str = ""
    bill: BillReference | None = None
    ticket: TicketReference | None = None
    state: CodeState = CodeState.ISSUED
    process_id: str = ""

    @property
    def text(self) -> str:
        """Key text: expiry and hash."""
        return f"{self.expires_at_seconds:08x}{self.cti_hash}"

    @staticmethod
    def key_of(partition: int, expires_at_seconds: int, cti_hash: str) -> "Key[Code]":
        """Return the key of the code with this expiry and hash."""
        return Key(Code, partition, f"{expires_at_seconds:08x}{cti_hash}")


class ProcessState(IntEnum):
    """Where a process stands; numbers as in the contract."""

    AWAITING_CUSTOMER = 1
    AUTHORISING = 2
    INSTRUCTED = 3
    OVERDUE = 4
    CONTESTED = 5
    COMPLETED = 6
    DECLINED = 7
    RELEASED = 8
    EXPIRED = 9


FINAL_STATES = frozenset(
    {
        ProcessState.COMPLETED,
        ProcessState.DECLINED,
        ProcessState.RELEASED,
        ProcessState.EXPIRED,
    }
)


class StagedBalance(Value, frozen=True, kw_only=True):
    """A balance that UpdatePoints staged: the difference is posted on completion."""

    programme_id: str
    new_balance: int
    difference: int
    held: int


class Posting(Value, frozen=True, kw_only=True):
    """A change of a points account."""

    programme_id: str
    points: int
    balance_after: int


class SignedAnswer(Value, frozen=True, kw_only=True):
    """What a customer answered, as a device signed it: proof for whoever has the device's key."""

    statement: bytes
    signature: bytes
    device_key: DeviceKey
    device_id: str
    answered_at: int


class TerminalView(Value, frozen=True, kw_only=True, omit_defaults=True):
    """How a process stands for its terminal, which must not know yet, or ever, how it ended."""

    state: ProcessState
    version: int
    refusal: Refusal | None = None
    confirm_by: int = 0
    ended_at: int = 0


class Process(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that one scan set off; without a customer, for an unknown telephone number."""

    table: ClassVar[str] = "processes"

    process_id: str
    customer_id: str
    merchant_id: str
    merchant_name: str
    terminal_id: str
    request_id: str
    state: ProcessState
    created_at: int
    policy_version: int
    actions: tuple[Action, ...]
    version: int = 0
    programme_id: str = ""
    sale_total: Money | None = None
    card_total: Money | None = None
    completes_on_instruction: bool = False
    execute_within_seconds: int = 0
    confirm_within_seconds: int = 0
    closes_at: int = 0
    confirm_by: int = 0
    execute_by: int = 0
    ended_at: int = 0
    timer_at: int = 0
    refusal: Refusal | None = None
    purpose: CodePurpose = CodePurpose.GENERAL
    code_text: str = ""
    is_bound: bool = False
    """Whether the code was made for the terminal that showed it, and for no other."""

    card_id: str = ""
    bill: BillReference | None = None
    ticket: TicketReference | None = None
    by_telephone: bool = False
    digits: str = ""
    terminal_view: TerminalView | None = None
    """Set when the customer said no to a telephone prompt."""

    is_confirmed: bool = False
    signed_yes: SignedAnswer | None = None
    signed_no: SignedAnswer | None = None
    """The newest answers of each kind. A no to what is contested may come after a yes."""

    is_contested: bool = False
    is_disputed: bool = False
    statement: str = ""
    staged: StagedBalance | None = None
    postings: tuple[Posting, ...] = ()
    reverses: str = ""
    reversed_by: str = ""
    debt: int = 0
    event: int = 0
    note: str = ""
    settled_as_executed: bool | None = None

    @property
    def text(self) -> str:
        """Key text: the process's id, which sorts by birth."""
        return self.process_id

    @staticmethod
    def key_of(process_id: str) -> "Key[Process]":
        """Return the key of the process with this id."""
        return Key(Process, partition_of_id(process_id), process_id)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL_STATES

    def with_action(self, place: int, action: Action) -> "Process":
        """Return the process with another action in this place."""
        actions = (*self.actions[:place], action, *self.actions[place + 1 :])
        return msgspec.structs.replace(self, actions=actions)


class Request(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """A changing request that was decided, so that its repetition gets the same answer.

    `answer` is the JSON of a domain answer. A reversed one stands for a request that had not
    arrived when it was given up.
    """

    table: ClassVar[str] = "requests"
    key_fields: ClassVar[tuple[str, ...]] = ("request_id", "rpc", "caller_id")

    request_id: str
    caller_id: str
    rpc: str
    fingerprint: str
    decided_at: int
    answer: str = ""
    process_id: str = ""
    refused: str = ""
    is_reversed: bool = False

    def __repr__(self) -> str:
        """Leave out the answer, which may tell a card's token or a telephone number."""
        return f"Request({self.text!r}, refused={self.refused!r})"


class Due(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Work to be done at a time.

    Action -1 is the process's own timer; any other is to be told to the institution.
    """

    table: ClassVar[str] = "due"
    is_open: ClassVar[bool] = True  # ids and times

    due_at: int
    process_id: str
    action: int = -1

    @property
    def kind(self) -> str:
        """Whether time does it, or the institution, which may keep many others waiting."""
        return TIMER if self.action < 0 else CALL

    @property
    def text(self) -> str:
        """Key text: kind and time first, so that of each kind what is due stands first."""
        return f"{self.kind}/{self.due_at:013d}/{self.process_id}/{self.action}"


class CustomerProcess(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The index from a customer to the processes, by birth."""

    table: ClassVar[str] = "customer_processes"
    is_open: ClassVar[bool] = True  # ids

    customer_id: str
    process_id: str

    @property
    def text(self) -> str:
        """Key text: customer and process."""
        return f"{self.customer_id}/{self.process_id}"


class Unresolved(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The index of processes that wait for a person."""

    table: ClassVar[str] = "unresolved"
    is_open: ClassVar[bool] = True  # ids

    process_id: str

    @property
    def text(self) -> str:
        """Key text: the process's id."""
        return self.process_id
