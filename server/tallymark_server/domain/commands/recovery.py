"""What is asked of the rules about a database that was restored."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.value import Value

__all__ = ["FinishRecovery", "FinishReport", "FoundLoss", "RecordStart", "ReportSale"]


class FoundLoss(Value, frozen=True, kw_only=True):
    """What shows that the database is older than what was answered."""

    recovery_id: str
    epoch: int
    kept_sequence: int
    lost_at_least: int
    lost_since: int
    found_by: str


class RecordStart(Command, frozen=True, kw_only=True):
    """The server starts with this database; with a loss, a recovery is opened."""

    start_id: str
    loss: FoundLoss | None = None


class ReportSale(Command, frozen=True, kw_only=True):
    """A terminal has executed this process, as the server had sealed it; None: it is no such."""

    recovery_id: str
    process: Process | None
    record_hash: str
    """Names what is no process of ours in the list of reports."""


class FinishReport(Command, frozen=True, kw_only=True):
    """A terminal has reported everything."""

    recovery_id: str


class FinishRecovery(Command, frozen=True, kw_only=True):
    """An operator finishes the recovery."""

    recovery_id: str
    note: str
