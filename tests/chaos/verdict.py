"""What has to be true after everything is over, whatever happened before.

The desks' view (`Books`), the server's rows, and the credit institution's journal have to agree.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tallymark.v1 import process_pb2 as p
from tallymark_institution.authorisation import Authorisation, State
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.model.registrations import ISSUER, PointsAccount, Ticket
from tallymark_server.domain.state import Row
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.tables import all_tables
from tests.chaos.books import Books
from tests.unit.domain.invariants import check_everything
from tests.unit.domain.runner import Runner

__all__ = ["Wrong", "stored_rows", "wrong_charges", "wrong_rows"]

ROWS_MAX = 1_000_000

Wrong = Mapping[str, int]
"""How often each thing that must not be was found."""


async def stored_rows(data: Path) -> Sequence[Row]:
    """Return every row of a server that has stopped."""
    keyring = Keyring.open(data / "keys", make_missing=False)
    store = await SqliteStore.open(data / "tallymark.sqlite3", keyring.cells)
    try:
        tables = [await store.scan(table, DIRECTORY, limit=ROWS_MAX) for table in all_tables()]
    finally:
        await store.close()
    return [row for rows in tables for row in rows]


def wrong_rows(rows: Sequence[Row], books: Books, first_points: int) -> Wrong:
    """Compare the server's rows with each other, and with what the desks know."""
    accounts = [row for row in rows if isinstance(row, PointsAccount)]
    completed = {
        row.process_id
        for row in rows
        if isinstance(row, Process) and row.state is ProcessState.COMPLETED
    }
    known = {
        process_id
        for process_id, process in books.processes.items()
        if process.state == p.PROCESS_STATE_COMPLETED
    }
    return {
        "accounts that do not hold what the receipts say": sum(
            row.balance != first_points + books.points[row.login_name] or row.held != 0
            for row in accounts
            if row.holder_id != ISSUER
        ),
        "points made or lost": abs(sum(row.balance for row in accounts)),
        "completed processes that a desk or the server does not know": len(completed ^ known),
        "bills paid twice": sum(count > 1 for count in _bills(books).values()),
        "tickets used too often": _overused(rows, books),
        "broken rules of the rows": _broken_rules(rows),
    }


def wrong_charges(journal: Path, books: Books) -> int:
    """Return how many authorisations are not what the processes say.

    Of a process that stands the institution has taken what the desk was told, once; of any other it
    has taken and holds nothing.
    """
    lines = journal.read_bytes().rpartition(b"\n")[0].split(b"\n")[1:]  # the first one is a key
    decoded = [msgspec.json.decode(line, type=Authorisation) for line in lines]
    last = {one.authorisation_id: one for one in decoded}
    expected = {
        f"{process.process_id}-{place}": outcome.instruction.charge.amount.minor_units
        for process in books.standing
        for place, outcome in enumerate(process.actions)
        if outcome.instruction.charge.amount.minor_units
    }
    taken = {name: _taken(one) for name, one in last.items() if _taken(one)}
    return len(taken.items() ^ expected.items())


def _taken(authorisation: Authorisation) -> int | str:
    """Return what was captured, in minor units; or that something is held; or 0."""
    verdict = authorisation.verdict
    if authorisation.state is State.CAPTURED and verdict:
        return verdict.approved_minor_units
    if authorisation.state is State.DECIDED and verdict and verdict.outcome.holds_money:
        return "held"
    return 0


def _bills(books: Books) -> Counter[str]:
    return Counter(
        outcome.instruction.pay_bill.bill_reference
        for process in books.standing
        for outcome in process.actions
        if outcome.instruction.HasField("pay_bill")
    )


def _overused(rows: Sequence[Row], books: Books) -> int:
    uses = Counter(
        outcome.instruction.admit.ticket_id
        for process in books.standing
        for outcome in process.actions
        if outcome.instruction.HasField("admit")
    )
    tickets = [row for row in rows if isinstance(row, Ticket)]
    return sum(
        uses[ticket.ticket_id] != ticket.entries_used or ticket.entries_used > ticket.entries
        for ticket in tickets
    )


def _broken_rules(rows: Sequence[Row]) -> int:
    """Return 1 if the rows break what is true after every decision (tests/unit/domain)."""
    try:
        check_everything(Runner({row.key: row for row in rows}, now=time.time_ns() // 1_000_000))
    except AssertionError as broken:
        print(f"broken rule: {broken}")  # noqa: T201 -- whoever reads the run wants to know which
        return 1
    return 0
