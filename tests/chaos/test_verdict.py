"""The verdict finds what it is there to find."""

from pathlib import Path

import msgspec
import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import process_pb2 as p
from tallymark_institution.authorisation import Authorisation, Outcome, State, Verdict
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.model.registrations import (
    ISSUER,
    AdmitDirection,
    PointsAccount,
    Ticket,
    TicketUse,
)
from tallymark_server.domain.state import Row
from tests.chaos.books import Books
from tests.chaos.verdict import wrong_charges, wrong_rows
from tests.world.messages import euro

FIRST_POINTS = 100


def sold(process_id: str, *instructions: a.Instruction, taken_back_by: str = "") -> p.Process:
    return p.Process(
        process_id=process_id,
        state=p.PROCESS_STATE_COMPLETED,
        actions=[a.ActionOutcome(instruction=one) for one in instructions],
        reversed_by_process_id=taken_back_by,
    )


CHARGED = a.Instruction(charge=a.ChargeInstruction(amount=euro(500)))
BILL = a.Instruction(pay_bill=a.PayBillInstruction(bill_reference="B-7"))
ADMITTED = a.Instruction(admit=a.AdmitInstruction(ticket_id="A-1"))


def books(*processes: p.Process) -> Books:
    kept = Books()
    for process in processes:
        kept.enter("ana", process, None)
    return kept


def authorisation(state: State, minor_units: int = 500, name: str = "one-0") -> Authorisation:
    verdict = Verdict(outcome=Outcome.APPROVED, approved_minor_units=minor_units)
    return Authorisation(authorisation_id=name, state=state, verdict=verdict)


STANDS, TAKEN_BACK = sold("one", CHARGED), sold("one", CHARGED, taken_back_by="two")

CHARGES = {
    "taken once": (STANDS, [authorisation(State.CAPTURED)], 0),
    "first held, then taken": (
        STANDS,
        [authorisation(State.DECIDED), authorisation(State.CAPTURED)],
        0,
    ),
    "taken, then given back": (
        TAKEN_BACK,
        [authorisation(State.CAPTURED), authorisation(State.REVERSED)],
        0,
    ),
    "never taken": (STANDS, [], 1),
    "still held": (STANDS, [authorisation(State.DECIDED)], 2),
    "taken with another amount": (STANDS, [authorisation(State.CAPTURED, 499)], 2),
    "not given back": (TAKEN_BACK, [authorisation(State.CAPTURED)], 1),
    "held for a sale that was taken back": (TAKEN_BACK, [authorisation(State.DECIDED)], 1),
    "taken a second time under another id": (
        STANDS,
        [authorisation(State.CAPTURED), authorisation(State.CAPTURED, name="three-0")],
        1,
    ),
}


@pytest.mark.parametrize("name", CHARGES)
def test_charges_are_held_against_the_journal_of_the_institution(name: str, tmp_path: Path) -> None:
    process, authorisations, wrong = CHARGES[name]
    lines = [b'{"type":"token_key"}', *map(msgspec.json.encode, authorisations)]
    journal = tmp_path / "institution"
    journal.write_bytes(b"".join(line + b"\n" for line in lines) + b'{"cut sh')

    assert wrong_charges(journal, books(process)) == wrong


def account(holder_id: str, balance: int, held: int = 0) -> PointsAccount:
    return PointsAccount(
        partition=0,
        holder_id=holder_id,
        programme_id="beans",
        login_name="" if holder_id == ISSUER else "ana",
        balance=balance,
        held=held,
    )


def ticket(uses: int) -> Ticket:
    use = TicketUse(
        used_at=1, terminal_id="gate-1", direction=AdmitDirection.ENTRY, process_id="one"
    )
    return Ticket(
        partition=0,
        event_id="jazz",
        ticket_id="A-1",
        customer_id="c",
        login_name="ana",
        entries=1,
        uses=(use,) * uses,
    )


def completed(process_id: str) -> Process:
    return Process(
        partition=0,
        process_id=process_id,
        customer_id="",
        merchant_id="cafe",
        merchant_name="Cafe",
        terminal_id="till-1",
        request_id="r",
        state=ProcessState.COMPLETED,
        created_at=1,
        policy_version=0,
        actions=(),
    )


WRONG: dict[str, tuple[list[Row], Books]] = {
    "accounts that do not hold what the receipts say": (
        [account("c", 101), account(ISSUER, -101)],
        books(),
    ),
    "points made or lost": ([account("c", 100), account(ISSUER, -99)], books()),
    "completed processes that a desk or the server does not know": (
        [completed("one")],
        books(sold("two")),
    ),
    "bills paid twice": ([], books(sold("one", BILL), sold("two", BILL))),
    "tickets used too often": ([ticket(2)], books(sold("one", ADMITTED), sold("two", ADMITTED))),
    "broken rules of the rows": ([account("c", 100, held=7)], books()),
}


@pytest.mark.parametrize("what", WRONG)
def test_rows_are_held_against_what_the_desks_know(what: str) -> None:
    rows, kept = WRONG[what]

    assert wrong_rows(rows, kept, FIRST_POINTS)[what] > 0


def test_nothing_is_wrong_where_nothing_happened() -> None:
    assert not any(wrong_rows([], books(), FIRST_POINTS).values())
