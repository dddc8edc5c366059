"""What is true of the stored rows after every decision, whatever was asked before.

Each check says what the rows of one kind must be, from the processes alone, and compares.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from tallymark_server.domain.model.actions import (
    Action,
    AdmitGrant,
    BurnPointsGrant,
    ChargeGrant,
    PayBillGrant,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.people import Customer, Device
from tallymark_server.domain.model.processes import (
    Code,
    CodeState,
    CustomerProcess,
    Due,
    Process,
    ProcessState,
    Unresolved,
)
from tallymark_server.domain.model.registrations import (
    ISSUER,
    AdmitDirection,
    Bill,
    BillState,
    PointsAccount,
    PointsGrant,
    Ticket,
)
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tests.unit.domain.runner import Runner

__all__ = ["check_everything"]

_TIMED = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING, ProcessState.INSTRUCTED}
_FOR_A_PERSON = {ProcessState.OVERDUE, ProcessState.CONTESTED}
_TASKS = {
    Settlement.CAPTURE_PENDING: {SettlementTask.CAPTURE},
    Settlement.RELEASE_PENDING: {SettlementTask.REVERSE, SettlementTask.RECHECK},
}


def check_everything(world: Runner) -> None:
    """Check all rows. Raises AssertionError."""
    processes = world.all(Process)
    _check_points(world, processes)
    _check_tickets(world.all(Ticket), processes)
    _check_bills(world, processes)
    _check_codes(world, processes)
    _check_due(world.all(Due), processes)
    _check_unresolved(world.all(Unresolved), processes)
    _check_customers(world, processes)
    _check_links(processes)


def _check_points(world: Runner, processes: list[Process]) -> None:
    sums: Counter[str] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    posted: Counter[tuple[str, str]] = Counter()
    postings: Counter[tuple[str, str]] = Counter()
    for process in processes:
        for posting in process.postings:
            account = (process.customer_id, posting.programme_id)
            posted[account] += posting.points
            postings[account] += 1
        if not process.is_final:
            account = (process.customer_id, process.programme_id)
            held[account] += _points_held(process)
    for grant in world.all(PointsGrant):
        posted[grant.holder_id, grant.programme_id] += grant.points
        postings[grant.holder_id, grant.programme_id] += 1

    for row in world.all(PointsAccount):
        account = (row.holder_id, row.programme_id)
        sums[row.programme_id] += row.balance
        if row.holder_id != ISSUER:
            assert 0 <= row.held <= row.balance, "no account goes below its holds"
            assert row.held == held[account], "held is what open processes hold"
            assert row.balance == posted[account], "every point has a posting"
            assert row.version == postings[account], "the version counts postings"
    assert not any(sums.values()), "a programme sums to zero"


def _points_held(process: Process) -> int:
    burned: int = sum(granted.points for _, granted in _held(process, BurnPointsGrant))
    return burned + (process.staged.held if process.staged else 0)


def _check_tickets(tickets: list[Ticket], processes: list[Process]) -> None:
    held = defaultdict(list)
    used = defaultdict(list)
    for process in processes:
        for _, granted in _held(process, AdmitGrant):
            held[granted.event_id, granted.ticket_id].append(process.process_id)
        if _stands(process):
            for granted in _grants(process, AdmitGrant):
                used[granted.event_id, granted.ticket_id].append(process.process_id)
    for ticket in tickets:
        place = (ticket.event_id, ticket.ticket_id)
        assert held[place] == ([ticket.held_by] if ticket.held_by else []), "one open process holds"
        assert sorted(use.process_id for use in ticket.uses) == sorted(used[place])
        counted = [u for u in ticket.uses if u.direction is AdmitDirection.ENTRY and not u.is_free]
        assert len(counted) <= ticket.entries, "a ticket admits as often as it says"


def _check_bills(world: Runner, processes: list[Process]) -> None:
    expected: dict[tuple[str, str], tuple[BillState, str]] = {}
    for process in processes:
        for _, granted in _held(process, PayBillGrant):
            place = (process.merchant_id, granted.bill_reference)
            assert place not in expected, "one process holds or pays a bill"
            expected[place] = (BillState.HELD, process.process_id)
        if _stands(process):
            for granted in _grants(process, PayBillGrant):
                place = (process.merchant_id, granted.bill_reference)
                assert place not in expected, "one process holds or pays a bill"
                expected[place] = (BillState.PAID, process.process_id)
    listed = Counter(
        (reference.merchant_id, reference.bill_reference)
        for customer in world.all(Customer)
        for reference in customer.bills
    )
    for bill in world.all(Bill):
        place = (bill.merchant_id, bill.bill_reference)
        assert (bill.state, bill.process_id) == expected.get(place, (BillState.OPEN, ""))
        assert listed[place] == (bill.state is not BillState.PAID), "unpaid bills are listed"


def _check_codes(world: Runner, processes: list[Process]) -> None:
    owners = Counter(process.code_text for process in processes if process.code_text)
    by_code = {process.code_text: process for process in processes}
    live = {one.code_text for device in world.all(Device) for one in device.live_codes}
    for code in world.all(Code):
        assert owners[code.text] <= 1, "one process claims a code"
        process = by_code.get(code.text)
        assert code.process_id == (process.process_id if process else "")
        if process:
            assert code.state is (CodeState.CONSUMED if process.is_final else CodeState.CLAIMED)
        else:
            assert code.state in {CodeState.ISSUED, CodeState.REVOKED}
        if code.text in live:
            assert code.state is CodeState.ISSUED, "a live code was not used"
        elif code.state is CodeState.ISSUED:
            assert code.expires_at_seconds * 1000 <= world.now, "a good code is a live one"


def _check_due(due: list[Due], processes: list[Process]) -> None:
    expected: Counter[tuple[str, int, int]] = Counter()
    for process in processes:
        if process.is_contested:
            assert process.state in {ProcessState.CONTESTED, ProcessState.AUTHORISING}
        seen = as_terminal_sees(process)
        assert bool(process.timer_at) == (seen.state in _TIMED), "open processes run out"
        if process.timer_at:
            expected[process.process_id, -1, process.timer_at] += 1
        for place, action in enumerate(process.actions):
            authorisation = action.authorisation
            task = authorisation.task if authorisation else None
            assert task in _expected_tasks(process, action)
            if authorisation and task:
                expected[process.process_id, place, authorisation.due_at] += 1
    assert Counter((row.process_id, row.action, row.due_at) for row in due) == expected


def _expected_tasks(process: Process, action: Action) -> Collection[SettlementTask | None]:
    if process.state is ProcessState.AUTHORISING and action.authorisation:
        return {SettlementTask.AUTHORISE}
    return _TASKS.get(action.settlement, {None})


def _check_unresolved(unresolved: list[Unresolved], processes: list[Process]) -> None:
    expected = {
        process.process_id
        for process in processes
        if process.state in _FOR_A_PERSON
        or process.is_disputed
        or any(action.settlement is Settlement.MANUAL for action in process.actions)
    }
    assert {row.process_id for row in unresolved} == expected


def _check_customers(world: Runner, processes: list[Process]) -> None:
    expected = {(process.customer_id, process.process_id) for process in processes}
    expected = {(owner, process_id) for owner, process_id in expected if owner}
    assert {(row.customer_id, row.process_id) for row in world.all(CustomerProcess)} == expected
    for customer in world.all(Customer):
        own = [process for process in processes if process.customer_id == customer.customer_id]
        prompts = [
            process.process_id
            for process in own
            if process.by_telephone and process.state is ProcessState.AWAITING_CUSTOMER
        ]
        prompt = customer.prompt_process_id
        assert prompts == ([prompt] if prompt else []), "one open prompt, and the customer knows it"
        events = [process.event for process in own]
        assert len(set(events)) == len(events), "each change has a number of its own"
        assert max(events, default=0) == customer.last_event


def _check_links(processes: list[Process]) -> None:
    by_id = {process.process_id: process for process in processes}
    undone = [process.reverses for process in processes if process.reverses]
    assert len(set(undone)) == len(undone), "nothing is undone twice"
    for process in processes:
        if process.reversed_by:
            assert process.state is ProcessState.COMPLETED, "what was not done is not undone"
            assert by_id[process.reversed_by].reverses == process.process_id
    assert sum(bool(process.reversed_by) for process in processes) == len(undone)


def _stands(process: Process) -> bool:
    """Whether the process had effects that still hold."""
    is_completed = process.state is ProcessState.COMPLETED
    return is_completed and not process.reverses and not process.reversed_by


def _held(process: Process, kind: type[Any]) -> Iterator[tuple[Action, Any]]:
    """Yield what an open process holds of this kind."""
    for action in process.actions:
        if isinstance(action.grant, kind) and action.settlement is Settlement.HELD:
            assert not process.is_final or kind is ChargeGrant, "a final process holds nothing"
            yield action, action.grant


def _grants(process: Process, kind: type[Any]) -> list[Any]:
    return [action.grant for action in process.actions if isinstance(action.grant, kind)]
