from collections.abc import Sequence
from pathlib import Path

import pytest

from tallymark_admin.errors_file import ErrorsFile
from tallymark_admin.forms import POINTS_FORM, TICKET_FORM
from tallymark_admin.imports import BadLine, Counts, read_lines, run_import
from tallymark_admin.rows import PointsGrantRow, RowOutcome, RowResult
from tallymark_admin.sheets import Sheet, read_sheet
from tallymark_protocol.errors import UnknownOutcome

HEADER = "programme_id,login_name,grant_reference,points"


class Ledger:
    """Takes grants as the server does, and can lose the connection."""

    def __init__(self, *, calls_until_loss: int | None = None) -> None:
        self.grants: set[PointsGrantRow] = set()
        self.rows_per_call: list[int] = []
        self.calls_until_loss = calls_until_loss

    async def add(self, rows: Sequence[PointsGrantRow]) -> list[RowOutcome]:
        if len(self.rows_per_call) == self.calls_until_loss:
            raise UnknownOutcome(None)
        self.rows_per_call.append(len(rows))
        return [self._add(row) for row in rows]

    def _add(self, row: PointsGrantRow) -> RowOutcome:
        if row.login_name == "nobody":
            return RowOutcome(result=RowResult.REFUSED, reason="CUSTOMER_NOT_FOUND")
        is_there = row in self.grants
        self.grants.add(row)
        return RowOutcome(result=RowResult.UNCHANGED if is_there else RowResult.ADDED)


def sheet_of(*lines: str) -> Sheet:
    return read_sheet("\n".join([HEADER, *lines]).encode(), columns=POINTS_FORM.columns)


def grants(count: int) -> list[str]:
    return [f"stamps,anna,grant-{number},5" for number in range(count)]


async def import_into(ledger: Ledger | None, sheet: Sheet) -> tuple[Counts, list[BadLine]]:
    counts, bad_lines = Counts(), list[BadLine]()
    await run_import(
        read_lines(sheet, form=POINTS_FORM, zone=None),
        form=POINTS_FORM,
        add=ledger.add if ledger else None,
        report=bad_lines.extend,
        counts=counts,
    )
    return counts, bad_lines


async def test_a_second_run_changes_nothing() -> None:
    ledger, sheet = Ledger(), sheet_of(*grants(3))

    first, _ = await import_into(ledger, sheet)
    second, _ = await import_into(ledger, sheet)

    assert (first.added, first.unchanged) == (3, 0)
    assert (second.added, second.unchanged) == (0, 3)


async def test_rows_go_in_batches_that_the_contract_allows() -> None:
    ledger = Ledger()

    counts, _ = await import_into(ledger, sheet_of(*grants(1001)))

    assert ledger.rows_per_call == [400, 400, 201]
    assert counts.added == counts.done == 1001


async def test_bad_lines_are_told_in_their_order_whoever_found_them() -> None:
    lines = ["stamps,nobody,a,1", "stamps,anna,b,0", "stamps,anna,c", "stamps,nobody,d,1"]

    counts, bad_lines = await import_into(Ledger(), sheet_of(*lines, *grants(2)))

    assert [(bad.line.number, bad.column) for bad in bad_lines] == [
        (2, "login_name"),
        (3, "points"),
        (4, ""),
        (5, "login_name"),
    ]
    assert bad_lines[0].advice == "There is no customer with this login name."
    assert (counts.added, counts.bad) == (2, 4)


async def test_a_dry_run_only_counts() -> None:
    counts, bad_lines = await import_into(None, sheet_of(*grants(2), "stamps,anna,b,0"))

    assert (counts.checked, counts.added, counts.bad, len(bad_lines)) == (2, 0, 1, 1)


async def test_a_batch_of_bad_lines_alone_is_not_sent() -> None:
    ledger = Ledger()

    await import_into(ledger, sheet_of("stamps,anna,b,0"))

    assert ledger.rows_per_call == []


async def test_a_lost_connection_leaves_the_counts_of_what_was_taken() -> None:
    sheet, counts = sheet_of(*grants(900)), Counts()
    ledger = Ledger(calls_until_loss=1)

    with pytest.raises(UnknownOutcome):
        await run_import(
            read_lines(sheet, form=POINTS_FORM, zone=None),
            form=POINTS_FORM,
            add=ledger.add,
            report=lambda _: None,
            counts=counts,
        )

    assert (counts.added, counts.done, counts.last_line) == (400, 400, 401)


async def test_bad_lines_written_to_a_file_can_be_corrected_and_imported(tmp_path: Path) -> None:
    sheet = sheet_of('stamps,anna,"a, b",0', "stamps,anna,c", 'stamps,"anna,d,1', *grants(2))
    _, bad_lines = await import_into(Ledger(), sheet)
    path = tmp_path / "errors.csv"

    with ErrorsFile(path, sheet=sheet) as errors_file:
        for bad in bad_lines:
            errors_file.write(bad)

    text = path.read_text()
    assert '2,points,"Write a whole number from 1 to 1000000000, digits only."' in text
    corrected = (
        text.replace('"a, b",0', '"a, b",1')
        .replace("anna,c\n", "anna,c,1\n")
        .replace('"stamps,""anna,d,1"', "stamps,anna,d,1")
    )
    again = read_sheet(corrected.encode(), columns=POINTS_FORM.columns)
    counts, bad_lines = await import_into(Ledger(), again)
    assert (counts.added, bad_lines) == (3, [])


async def test_an_errors_file_of_an_errors_file_has_the_advice_once(tmp_path: Path) -> None:
    header = f"error_line,error_column,error,{HEADER}"
    content = f"{header}\n9,points,Old advice.,stamps,anna,b,0\n".encode("utf-8-sig")
    sheet = read_sheet(content, columns=POINTS_FORM.columns)
    _, bad_lines = await import_into(Ledger(), sheet)
    path = tmp_path / "errors.csv"

    with ErrorsFile(path, sheet=sheet) as errors_file:
        errors_file.write(bad_lines[0])

    first, second = path.read_text(encoding="utf-8-sig").splitlines()
    assert first == header
    assert second.startswith("2,points,")
    assert second.endswith(",stamps,anna,b,0")
    assert "Old advice" not in second


def test_a_ticket_that_ends_before_it_begins_is_a_bad_line() -> None:
    content = (
        b"event_id,ticket_id,login_name,valid_from,valid_until\n"
        b"concert,A-1,anna,2026-05-01T20:00Z,2026-05-01T18:00Z\n"
    )
    sheet = read_sheet(content, columns=TICKET_FORM.columns)

    (bad,) = read_lines(sheet, form=TICKET_FORM, zone=None)

    assert isinstance(bad, BadLine)
    assert (bad.column, bad.advice) == (
        "valid_until",
        "Correct it; the ticket would end before it begins.",
    )
