"""How a sale ended, and with what exit code the program says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from tallymark_protocol.reasons import Reason
from tallymark_terminal.answers import Receipt, Reversal
from tallymark_terminal.processes import Process

__all__ = ["EXIT_CODE_OF", "OFFLINE", "ExitCode", "Outcome", "SaleResult", "worst"]


class Outcome(StrEnum):
    """How a sale ended."""

    EXECUTED = "executed"
    """Instructed, shown, and reported as done."""

    HELD = "held"
    """Instructed and shown; completing it is left to another command."""

    REFUSED = "refused"
    """No, finally, by the server. Nothing was done."""

    REFUSED_HERE = "refused_here"
    """This terminal's own check refused the code; nothing was sent, and the server said nothing."""

    GIVEN_UP = "given_up"
    """The terminal took it back. Nothing was done, or what was done is undone."""

    REVERSED = "reversed"
    """A reversal was asked for and done: nothing was done, or what was done is undone."""

    NOT_REVERSED = "not_reversed"
    """A reversal was asked for and refused: the process stays as it is."""

    OPEN = "open"
    """Not decided or not completed yet; only ever said of an earlier sale."""

    NO_CODE = "no_code"
    """Nothing was read that could be a code."""

    UNKNOWN = "unknown"
    """Nobody can say yet. The journal keeps it, and `recover` settles it."""

    NOT_SENT = "not_sent"
    """The server did not answer before anything was sent; nothing was done."""

    NOT_ACCEPTED = "not_accepted"
    """The server does not accept this terminal, so nothing was done. Enrol it again."""


class ExitCode(IntEnum):
    """What the program tells its caller; of several scans the worst counts, see `worst`."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    OUTCOME_UNKNOWN = 3
    NO_CODE_READ = 4
    NOT_CONNECTED = 5
    NOT_ACCEPTED = 6


EXIT_CODE_OF: Final = {
    Outcome.EXECUTED: ExitCode.DONE,
    Outcome.HELD: ExitCode.DONE,
    Outcome.OPEN: ExitCode.DONE,
    Outcome.REFUSED: ExitCode.REFUSED,
    Outcome.REFUSED_HERE: ExitCode.REFUSED,
    Outcome.GIVEN_UP: ExitCode.REFUSED,
    Outcome.REVERSED: ExitCode.DONE,
    Outcome.NOT_REVERSED: ExitCode.REFUSED,
    Outcome.NO_CODE: ExitCode.NO_CODE_READ,
    Outcome.UNKNOWN: ExitCode.OUTCOME_UNKNOWN,
    Outcome.NOT_SENT: ExitCode.NOT_CONNECTED,
    Outcome.NOT_ACCEPTED: ExitCode.NOT_ACCEPTED,
}

OFFLINE: Final = frozenset({Outcome.REFUSED_HERE, Outcome.NO_CODE, Outcome.NOT_SENT})
"""What the terminal found out alone. None of them lets anybody in or moves anything."""

_GRANTED: Final = frozenset({Outcome.EXECUTED, Outcome.HELD})
"""What only the server can say."""

_WORST_FIRST: Final = (
    ExitCode.OUTCOME_UNKNOWN,
    ExitCode.NOT_ACCEPTED,
    ExitCode.REFUSED,
    ExitCode.NOT_CONNECTED,
    ExitCode.NO_CODE_READ,
)


def worst(outcomes: Iterable[Outcome]) -> ExitCode:
    """Return the exit code that matters most of these."""
    present = {EXIT_CODE_OF[outcome] for outcome in outcomes}
    return next((code for code in _WORST_FIRST if code in present), ExitCode.DONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleResult:
    """How one sale ended, with all that is known of it.

    Raises ValueError for a yes without the server's process, and for a process without its answer:
    what was found out offline can never be taken for an admission.
    """

    outcome: Outcome
    request_id: str | None = None
    process: Process | None = None
    receipt: Receipt | None = None
    reversal: Reversal | None = None
    reason: Reason | None = None
    """Why a call was refused, if it was an error and not a declined process."""

    message: str = ""
    """Details of that error, for the log."""

    check_step: int | None = None
    """Number of the local check's step that refused the code."""

    seen_at: datetime | None = None
    """When the code was used here before, if that is why it was refused."""

    is_recovered: bool = False
    """Whether it was left open by an earlier run."""

    checkpoint: str = ""
    """Short checkpoint of the server's journal, with a receipt or a reversal: it covers them."""

    def __post_init__(self) -> None:
        """Check that the outcome and who said it agree."""
        if self.outcome in _GRANTED and self.process is None:
            message = f"{self.outcome.value} without the server's word"
            raise ValueError(message)
        if self.is_offline and (self.process or self.receipt or self.reversal):
            message = f"{self.outcome.value}, and yet the server answered"
            raise ValueError(message)

    @property
    def is_offline(self) -> bool:
        """Whether the terminal says so alone, without the server."""
        return self.outcome in OFFLINE
