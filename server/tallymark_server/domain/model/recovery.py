"""Which start of a server a database belongs to, and what is done about one that was restored."""

from enum import IntEnum
from typing import ClassVar

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.state import DirectoryRow, Key, Row

__all__ = [
    "Recovery",
    "ReportedSale",
    "SaleReportOutcome",
    "ServerStart",
    "TerminalReport",
]


class ServerStart(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The server's last start with this database; its id is also kept outside, beside the keys."""

    table: ClassVar[str] = "server_starts"
    is_open: ClassVar[bool] = True  # a random id and a time

    partition: int = DIRECTORY
    start_id: str
    started_at: int

    @property
    def text(self) -> str:
        """Key text: there is one row."""
        return "current"

    @staticmethod
    def key_of_current() -> "Key[ServerStart]":
        """Return the key of the only row."""
        return Key(ServerStart, DIRECTORY, "current")


class Recovery(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The newest recovery: the database was found to be older than what had been answered.

    The ones before are in the journal. While it is open, what was registered before `opened_at` is
    frozen, because it may have been used since the backup was made.
    """

    table: ClassVar[str] = "recoveries"
    is_open: ClassVar[bool] = True  # ids, numbers and times

    partition: int = DIRECTORY
    recovery_id: str
    opened_at: int
    lost_since: int
    """Time of the last decision that the database has."""

    kept_sequence: int
    lost_at_least: int
    """Decisions that are lost; 0: nobody knows."""

    epoch: int
    found_by: str
    finished_at: int = 0
    finished_by: str = ""
    note: str = ""

    @property
    def is_unsettled(self) -> bool:
        """Whether nobody has finished it yet."""
        return not self.finished_at

    @property
    def text(self) -> str:
        """Key text: there is one row."""
        return "newest"

    @staticmethod
    def key_of_newest() -> "Key[Recovery]":
        """Return the key of the only row."""
        return Key(Recovery, DIRECTORY, "newest")


class TerminalReport(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """How far a terminal has reported what it executed."""

    table: ClassVar[str] = "terminal_reports"
    is_open: ClassVar[bool] = True  # ids, counts and a time
    key_fields: ClassVar[tuple[str, ...]] = ("recovery_id", "terminal_id")

    recovery_id: str
    terminal_id: str
    sales: int = 0
    problems: int = 0
    reported_at: int = 0


class SaleReportOutcome(IntEnum):
    """What became of a reported sale; numbers as in the contract, which explains them."""

    KNOWN = 1
    APPLIED = 2
    PARTLY_APPLIED = 3
    CONTRADICTS = 4
    NOT_GENUINE = 5


class ReportedSale(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A sale that a terminal reported, and what could not be applied of it."""

    table: ClassVar[str] = "reported_sales"
    is_open: ClassVar[bool] = True  # ids and fixed sentences
    key_fields: ClassVar[tuple[str, ...]] = ("recovery_id", "process_id")

    recovery_id: str
    process_id: str
    terminal_id: str
    outcome: SaleReportOutcome
    problems: tuple[str, ...] = ()
    reported_at: int = 0
