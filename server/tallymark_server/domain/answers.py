"""What the rules answer; stored as JSON, so that a repeated request gets the same answer."""

from enum import IntEnum

import msgspec

from tallymark_server.domain.model.people import Card
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.model.recovery import SaleReportOutcome
from tallymark_server.domain.value import Value

__all__ = [
    "Answer",
    "CardAnswer",
    "CertificateAnswer",
    "CodeAnswer",
    "Done",
    "InvitationAnswer",
    "NumberAnswer",
    "NumberCodeAnswer",
    "ProcessAnswer",
    "RefusedAnswer",
    "ReversalAnswer",
    "ReversalOutcome",
    "ReversalRefusal",
    "RowAnswer",
    "SaleReportAnswer",
    "SeenProcess",
    "SessionAnswer",
]


class RefusedAnswer(Value, frozen=True, kw_only=True, tag="refused"):
    """No, finally for this request: a value of `Reason` and its metadata."""

    reason: str
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


class Done(Value, frozen=True, kw_only=True, tag="done"):
    """Yes; how many things it concerned, where that is of interest."""

    count: int = 0


class SessionAnswer(Value, frozen=True, kw_only=True, tag="session"):
    """A session was opened; its token is not stored but made again from the request."""

    customer_id: str
    device_id: str
    session_expires_at: int
    number_code_sent: bool = False


class InvitationAnswer(Value, frozen=True, kw_only=True, tag="invitation"):
    """An invitation was made; its code is not stored."""

    expires_at: int


class NumberCodeAnswer(Value, frozen=True, kw_only=True, tag="number_code"):
    """A verification code is to be sent, by the call whose `fresh` it is; it is not stored."""

    telephone_number: str
    expires_at: int
    fresh: str


class NumberAnswer(Value, frozen=True, kw_only=True, tag="number"):
    """The number is verified."""

    telephone_number: str


class CardAnswer(Value, frozen=True, kw_only=True, tag="card"):
    """The card is registered."""

    card: Card
    is_default: bool


class CertificateAnswer(Value, frozen=True, kw_only=True, tag="certificate"):
    """A certificate was issued; it is public."""

    owner_id: str
    certificate_pem: str
    expires_at: int


class CodeAnswer(Value, frozen=True, kw_only=True, tag="code"):
    """A code was issued; its text is not stored but made again from the request, by its key."""

    cti_hash: str
    key_id: int
    expires_at_seconds: int
    issued_at: int
    bound_terminal_id: str = ""
    bound_merchant_name: str = ""


class ProcessAnswer(Value, frozen=True, kw_only=True, tag="process"):
    """The process as it was after the decision."""

    process: Process


class SeenProcess(Value, frozen=True, kw_only=True, tag="seen_process"):
    """The process of a ResolveCode; it may have advanced since, so only its id is stored."""

    process_id: str


class ReversalOutcome(IntEnum):
    """What became of a reversal; numbers as in the contract."""

    NEVER_SEEN = 1
    RELEASED = 2
    COMPENSATED = 3
    COMPENSATING = 4
    REFUSED = 5


class ReversalRefusal(IntEnum):
    """Why a reversal was refused; numbers as in the contract."""

    NONE = 0
    WINDOW_OVER = 1
    IS_REVERSAL = 2


class ReversalAnswer(Value, frozen=True, kw_only=True, tag="reversal"):
    """What became of a reversal, with the processes as they were then."""

    outcome: ReversalOutcome
    refused_because: ReversalRefusal = ReversalRefusal.NONE
    process: Process | None = None
    reversal: Process | None = None


class RowAnswer(Value, frozen=True, kw_only=True, tag="row"):
    """A row was created, or was there already, the same."""

    is_new: bool


class SaleReportAnswer(Value, frozen=True, kw_only=True, tag="sale_report"):
    """A terminal's report of one sale was taken in."""

    outcome: SaleReportOutcome


Answer = (
    RefusedAnswer
    | Done
    | SessionAnswer
    | InvitationAnswer
    | NumberAnswer
    | NumberCodeAnswer
    | CardAnswer
    | CertificateAnswer
    | CodeAnswer
    | ProcessAnswer
    | SeenProcess
    | ReversalAnswer
    | RowAnswer
    | SaleReportAnswer
)
