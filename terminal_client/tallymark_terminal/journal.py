"""What the terminal wrote down before it sent anything, so that no crash leaves a sale in the air.

One row per sale. It is written before every call that changes something, with the request_id of
that call, so that after a crash exactly the same call can be made again. Stages:

    INTENT          ResolveCode is being sent, or was; the instruction was not shown
    STAGING_POINTS  UpdatePoints is being sent, or was; the instruction was not shown
    SHOWN           the instruction is shown and may be executed: only completing is right
    HELD            the instruction was shown; `complete` or `reverse` will decide
    REVERSING       ReverseProcess is being sent, or was
    ENDED           settled

The text of a code is never written: its reference finds the process and can pay for nothing. A
telephone number is, until its process id is known or the sale has ended.
"""

import sqlite3
from dataclasses import astuple, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from tallymark_protocol.strict_values import demand_text
from tallymark_terminal.identification import (
    CodeReference,
    LookUpKey,
    ProcessReference,
    TelephoneNumber,
)
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.private_files import HomeUnusable

__all__ = ["Journal", "Sale", "Stage"]

KEPT_SECONDS: Final = 30 * 24 * 3600.0
"""Settled sales are forgotten after this; the server keeps its idempotency records as long."""

EXECUTED: Final = "executed"
"""How a sale ended that was instructed, shown and reported, see sale_results.py."""


class Stage(StrEnum):
    """How far a sale has come, by the terminal's own knowledge."""

    INTENT = "INTENT"
    STAGING_POINTS = "STAGING_POINTS"
    SHOWN = "SHOWN"
    HELD = "HELD"
    REVERSING = "REVERSING"
    ENDED = "ENDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sale:
    """One row: the fields are its columns."""

    request_id: str
    """Of ResolveCode: names the sale here and on the server."""

    started_at: float
    """Server's time in seconds since 1970."""

    stage: Stage
    asked: str
    """What was asked for, as JSON, for people."""

    set_points: int | None = None
    is_held: bool = False
    completes_by_itself: bool = False
    """Whether the server completes it when it instructs, without a report of the terminal."""

    code_partition: int | None = None
    code_hash: bytes | None = None
    code_expires_at: int | None = None
    telephone_number: str | None = field(default=None, repr=False)
    process_id: str | None = None
    state: str | None = None
    """Last known state of the process."""

    update_request_id: str | None = None
    update_version: int | None = None
    complete_request_id: str | None = None
    reverse_request_id: str | None = None
    reverse_note: str = ""
    outcome: str | None = None
    """How it ended, see sale_results.py."""

    ended_at: float | None = None
    checkpoint: str | None = None
    """Short checkpoint of the server's journal that came with its receipt or reversal."""

    sealed_record: bytes | None = field(default=None, repr=False)
    """The newest process of it as the server had sealed it, see reporting.py."""

    @property
    def reference(self) -> ProcessReference:
        """What names its process to the server."""
        if self.process_id is not None:
            return ProcessReference(process_id=self.process_id)
        return ProcessReference(
            process_id=None, resolve_request_id=self.request_id, look_up_key=self._look_up_key
        )

    def ended(self, *, outcome: str, at: float) -> Self:
        """Return the sale as settled, without what was needed to find it."""
        return replace(self, stage=Stage.ENDED, outcome=outcome, ended_at=at, telephone_number=None)

    @property
    def _look_up_key(self) -> LookUpKey | None:
        if self.telephone_number is not None:
            return TelephoneNumber(number=self.telephone_number)
        if self.code_partition is None or self.code_hash is None or self.code_expires_at is None:
            return None
        return CodeReference(
            partition=self.code_partition,
            cti_hash=self.code_hash,
            expires_at_seconds=self.code_expires_at,
        )


_COLUMNS: Final = tuple(column.name for column in fields(Sale))
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM sales"  # noqa: S608 - names of this file
_WRITE: Final = (
    f"INSERT OR REPLACE INTO sales ({', '.join(_COLUMNS)}) "  # noqa: S608 - names of this file
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


class Journal:
    """The sales of one terminal; every method that writes returns when the disk has it."""

    def __init__(self, file: JournalFile) -> None:
        """Take the open file."""
        self._file = file

    async def write(self, sale: Sale) -> Sale:
        """Write the sale as it now is and return it once it is safe."""
        await self._file.change(_WRITE, *astuple(sale))
        return sale

    async def find(self, request_or_process_id: str) -> Sale | None:
        """Return the sale with this id."""
        condition = "WHERE request_id = ? OR process_id = ? ORDER BY started_at DESC LIMIT 1"
        return _first(await self._read(condition, request_or_process_id, request_or_process_id))

    async def latest(self, count: int) -> list[Sale]:
        """Return the last sales, the newest first."""
        condition = "ORDER BY started_at DESC, request_id DESC LIMIT ?"
        return await self._read(condition, count)

    async def open_sales(self) -> list[Sale]:
        """Return the sales that are not settled, the oldest first, those on hold too."""
        condition = "WHERE stage <> ? ORDER BY started_at, request_id"
        return await self._read(condition, Stage.ENDED)

    async def find_earlier_use(self, reference: CodeReference) -> datetime | None:
        """Return when the code was used here, or None if no request with it had an effect."""
        condition = (
            "WHERE code_hash = ? AND (process_id IS NOT NULL OR stage <> ?) "
            "ORDER BY started_at LIMIT 1"
        )
        sale = _first(await self._read(condition, reference.cti_hash, Stage.ENDED))
        return datetime.fromtimestamp(sale.started_at, tz=UTC) if sale else None

    async def executed_since(self, seconds: float) -> list[Sale]:
        """Return the sales that were shown, and ended after this time or not yet."""
        condition = (
            "WHERE sealed_record IS NOT NULL AND (stage = ? OR outcome = ? AND ended_at >= ?) "
            "ORDER BY started_at, request_id"
        )
        return await self._read(condition, Stage.SHOWN, EXECUTED, seconds)

    async def taken_back_since(self, seconds: float) -> list[Sale]:
        """Return the sales with a process that were taken back after this time."""
        condition = (
            "WHERE process_id IS NOT NULL AND reverse_request_id IS NOT NULL AND stage = ? "
            "AND ended_at >= ? ORDER BY started_at, request_id"
        )
        return await self._read(condition, Stage.ENDED, seconds)

    async def has_reported(self, recovery_id: str) -> bool:
        """Say whether everything was reported that the server asked for under this id."""
        query = "SELECT recovery_id FROM reports WHERE recovery_id = ?"
        return bool(await self._file.read(str, query, recovery_id))

    async def keep_report(self, recovery_id: str) -> None:
        """Write down that everything was reported."""
        await self._file.change("INSERT OR IGNORE INTO reports VALUES (?)", recovery_id)

    async def forget_before(self, now_seconds: float) -> None:
        """Forget what was settled longer ago than anybody may ask for it."""
        await self._file.change("DELETE FROM sales WHERE ended_at < ?", now_seconds - KEPT_SECONDS)

    async def _read(self, condition: str, *values: object) -> list[Sale]:
        """Return the sales that a condition finds; raises HomeUnusable for a damaged file."""
        try:
            return await self._file.read(_sale, f"{_SELECT} {condition}", *values)
        except (sqlite3.Error, TypeError, ValueError, OverflowError, OSError) as error:
            message = (
                f"the journal cannot be read ({error}); keep the file aside to begin a new one, "
                "and have the operator settle the sales that were open in it"
            )
            raise HomeUnusable(message) from error


def _first(sales: list[Sale]) -> Sale | None:
    return sales[0] if sales else None


def _sale(*row: object) -> Sale:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["stage"] = Stage(str(values["stage"]))
    demand_text(values["request_id"])
    demand_text(values["asked"])
    datetime.fromtimestamp(values["started_at"], tz=UTC)  # type: ignore[arg-type] # or TypeError
    for flag in ("is_held", "completes_by_itself"):
        values[flag] = bool(values[flag])
    return Sale(**values)  # type: ignore[arg-type] # the columns have what `write` put there
