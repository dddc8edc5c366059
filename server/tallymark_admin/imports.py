"""A bulk import: lines become rows, rows go to the server in batches, each line has its outcome."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice
from typing import Final, Generic, TypeVar

from tallymark_admin.cells import BadCell, Cells
from tallymark_admin.forms import Form
from tallymark_admin.rows import RowOutcome, RowResult
from tallymark_admin.sheets import Sheet, SheetLine, WrongSheet
from tallymark_protocol.reasons import DESCRIPTIONS, Reason

__all__ = ["ROWS_PER_CALL_MAX", "BadLine", "Counts", "GoodLine", "read_lines", "run_import"]

ROWS_PER_CALL_MAX: Final = 400
"""Most rows that one call of the contract carries."""

RowT = TypeVar("RowT")


@dataclass(frozen=True, kw_only=True, slots=True)
class GoodLine(Generic[RowT]):
    """A line whose form is right."""

    line: SheetLine
    row: RowT


@dataclass(frozen=True, kw_only=True, slots=True)
class BadLine:
    """A line that was not taken: by its form, or by the server's answer."""

    line: SheetLine
    column: str
    """Column that is wrong; empty when it is the line as a whole."""
    advice: str


@dataclass(kw_only=True, slots=True)
class Counts:
    """How many lines came to what. It grows while the import runs."""

    checked: int = 0
    """Lines whose form is right."""
    added: int = 0
    unchanged: int = 0
    bad: int = 0
    done: int = 0
    """Lines that are dealt with."""
    last_line: int = 0
    """Number of the last one of them in the file."""


def read_lines(
    sheet: Sheet, *, form: Form[RowT], zone: tzinfo | None
) -> Iterator[GoodLine[RowT] | BadLine]:
    """Yield each line of the sheet as a row, or as a bad line with what to do."""
    for line in sheet.lines:
        try:
            cells = Cells(sheet.cells_of(line), zone=zone)
            yield GoodLine(line=line, row=form.read(cells))
        except BadCell as error:
            yield BadLine(line=line, column=error.column, advice=error.advice)
        except WrongSheet as error:
            yield BadLine(line=line, column="", advice=str(error))


async def run_import(
    lines: Iterable[GoodLine[RowT] | BadLine],
    *,
    form: Form[RowT],
    add: Callable[[Sequence[RowT]], Awaitable[Sequence[RowOutcome]]] | None,
    report: Callable[[Sequence[BadLine]], None],
    counts: Counts,
) -> None:
    """Add the good lines, or only count them when `add` is None.

    After each batch, `counts` is brought up to date and the bad lines of the batch are reported in
    their order. A failed call ends the import; what was taken before it stays taken.
    """
    remaining = iter(lines)
    while batch := list(islice(remaining, ROWS_PER_CALL_MAX)):
        good = [line for line in batch if isinstance(line, GoodLine)]
        outcomes = await add([line.row for line in good]) if add and good else ()
        counts.checked += len(good)
        counts.added += sum(outcome.result is RowResult.ADDED for outcome in outcomes)
        counts.unchanged += sum(outcome.result is RowResult.UNCHANGED for outcome in outcomes)
        bad = [line for line in batch if isinstance(line, BadLine)]
        bad += [
            _refused(line.line, outcome, form=form)
            for line, outcome in zip(good, outcomes, strict=add is not None)
            if outcome.result is RowResult.REFUSED
        ]
        counts.bad += len(bad)
        counts.done += len(batch)
        counts.last_line = batch[-1].line.number
        report(sorted(bad, key=lambda line: line.line.number))


def _refused(line: SheetLine, outcome: RowOutcome, *, form: Form[RowT]) -> BadLine:
    column = form.column_of_reason.get(outcome.reason, "")
    advice = outcome.message
    if not advice and outcome.reason in Reason.__members__:
        advice = DESCRIPTIONS[Reason(outcome.reason)].sentence
    return BadLine(line=line, column=column, advice=advice or f"Refused: {outcome.reason}.")
