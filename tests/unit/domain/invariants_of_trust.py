"""What is true after every decision of who may do what unasked, and of who may know what."""

from collections import Counter
from collections.abc import Sequence

from tallymark_server.domain.model.actions import RefusalReason
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Code, Process, ProcessState
from tallymark_server.domain.model.tallies import Tally, TerminalDay, day_of
from tallymark_server.domain.policy import current_policy
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.domain.state import Draft
from tests.unit.domain.runner import Runner

__all__ = ["check_trust"]

_REFUSED_BY_THE_BANK = {ProcessState.DECLINED, ProcessState.EXPIRED}

_SEEN_OF_A_NUMBER = {
    (ProcessState.AWAITING_CUSTOMER, None),
    (ProcessState.EXPIRED, RefusalReason.CUSTOMER_SILENT),
    (ProcessState.RELEASED, RefusalReason.RELEASED_BY_TERMINAL),
}


def check_trust(world: Runner, unasked: Sequence[Process]) -> None:
    """Check all rows; `unasked` are the charges that went on without the customer.

    Raises AssertionError.
    """
    _check_tallies(world, unasked)
    processes = world.all(Process)
    _check_bound(world, processes)
    for process in processes:
        if process.by_telephone and not process.is_confirmed:
            _check_secret(process)


def _check_tallies(world: Runner, unasked: Sequence[Process]) -> None:
    policy = current_policy(Draft(world.rows))
    own: dict[tuple[str, int], list[int]] = {}
    sold: dict[tuple[str, int], list[int]] = {}
    for process in unasked:
        assert process.card_total is not None, "it is a charge"
        amount, day = process.card_total.minor_units, day_of(process.created_at)
        sold.setdefault((process.terminal_id, day), []).append(amount)
        now = world.get(Process.key_of(process.process_id))
        if now.state not in _REFUSED_BY_THE_BANK:
            own.setdefault((process.customer_id, day), []).append(amount)

    for amounts in own.values():
        assert len(amounts) <= policy.unconfirmed_count_max, "a customer's day has its bound"
        assert sum(amounts) <= policy.unconfirmed_sum_max
    for amounts in sold.values():
        assert len(amounts) <= policy.new_terminal_count_max, "so has a new terminal's"
        assert sum(amounts) <= policy.new_terminal_sum_max
    for customer in world.all(Customer):
        place = (customer.customer_id, customer.unconfirmed.day)
        _check_tally(customer.unconfirmed, own.get(place, []))
    for row in world.all(TerminalDay):
        _check_tally(row.tally, sold.get((row.terminal_id, row.tally.day), []))


def _check_tally(tally: Tally, amounts: Sequence[int]) -> None:
    assert (tally.count, tally.minor_units) == (len(amounts), sum(amounts)), "all is counted"


def _check_bound(world: Runner, processes: Sequence[Process]) -> None:
    floor = current_policy(Draft(world.rows)).bind_money_from
    codes = {code.text: code for code in world.all(Code)}
    for process in processes:
        code = codes.get(process.code_text)
        if code is not None and code.audience:
            assert code.audience == process.terminal_id, "a bound code works at its terminal"
        charged = process.card_total.minor_units if process.card_total else -1
        if floor is not None and charged >= floor and not process.reverses:
            assert code is not None, "no number pays as much"
            assert code.audience, "and no code that works anywhere"


def _check_secret(process: Process) -> None:
    """Check that the terminal sees what it would see of nobody."""
    seen = as_terminal_sees(process)
    reason = seen.refusal.reason if seen.refusal else None
    if reason is RefusalReason.CODE_NOT_BOUND:
        assert not process.customer_id, "what was refused whoever it was is about nobody"
        return
    assert (seen.state, reason) in _SEEN_OF_A_NUMBER
    assert seen.version == (1 if seen.state is ProcessState.AWAITING_CUSTOMER else 2)
    if seen.state is ProcessState.EXPIRED:
        confirm_by = process.created_at + process.confirm_within_seconds * 1000
        assert seen.ended_at >= confirm_by, "nobody is silent before the time is over"
    assert (seen.customer_id, seen.card_total, seen.is_disputed) == ("", None, False)
    assert not any(action.grant or action.refusal for action in seen.actions)
    asked = Counter(type(action.ask) for action in process.actions)
    assert asked == Counter(type(action.ask) for action in seen.actions)
