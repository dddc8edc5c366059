"""What terminals say at the end: executed, points changed, given up, taken back."""

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain import actions, ledger
from tallymark_server.domain.answers import (
    ProcessAnswer,
    ReversalAnswer,
    ReversalOutcome,
    ReversalRefusal,
)
from tallymark_server.domain.commands import (
    Caller,
    CompleteProcess,
    ProcessName,
    ReverseProcess,
    UpdatePoints,
)
from tallymark_server.domain.frozen import is_frozen
from tallymark_server.domain.identifiers import make_id
from tallymark_server.domain.model.actions import (
    BurnPointsAsk,
    BurnPointsGrant,
    EarnPointsAsk,
    ReadPointsAsk,
    RefusalReason,
    Settlement,
)
from tallymark_server.domain.model.merchants import PointsProgramme
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import (
    Process,
    ProcessState,
    Request,
    StagedBalance,
)
from tallymark_server.domain.policy import current_policy
from tallymark_server.domain.processes.lifecycle import complete as complete_process
from tallymark_server.domain.processes.lifecycle import end, save
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["RESOLVE_RPC", "complete", "find", "reverse", "update_points"]

RESOLVE_RPC = "ResolveCode"
"""Name under which a terminal's request_id of ResolveCode is kept."""

_MONEY_NOT_BACK = {Settlement.RELEASE_PENDING, Settlement.MANUAL}

_POINTS_ASKS = (ReadPointsAsk, EarnPointsAsk, BurnPointsAsk)


def complete(draft: Draft, command: CompleteProcess, now: int) -> ProcessAnswer:
    """Decide a CompleteProcess."""
    before = _instructed(draft, command, {ProcessState.INSTRUCTED, ProcessState.OVERDUE})
    return ProcessAnswer(process=save(draft, before, complete_process(draft, before, now)))


def update_points(draft: Draft, command: UpdatePoints) -> ProcessAnswer:
    """Decide an UpdatePoints: the version is compared now, the difference is posted on completion.

    What the difference takes away is held until then, so no other process can spend it in between.
    """
    before = _instructed(draft, command, {ProcessState.INSTRUCTED})
    if not any(isinstance(action.ask, _POINTS_ASKS) for action in before.actions):
        raise Refused(Reason.NO_POINTS_IN_PROCESS)
    draft.fetch(PointsProgramme.key_of(before.programme_id))
    programme = draft.get(PointsProgramme.key_of(before.programme_id))
    customer = draft.get(Customer.key_of(before.partition, before.customer_id))
    assert programme is not None, "the points action was granted"
    assert customer is not None, "a granted process has a customer"
    account = ledger.account_of(draft, customer, before.programme_id)
    if command.version != account.version:
        raise Refused(Reason.POINTS_VERSION_CONFLICT, version=str(account.version))
    difference = command.new_balance - account.balance
    burned = _burned(before)
    staged_hold = before.staged.held if before.staged else 0
    held_by_others = account.held - burned - staged_hold
    if command.new_balance < held_by_others:
        raise Refused(Reason.POINTS_BELOW_HOLDS, held=str(held_by_others))
    _check_bounds(draft, customer, difference, programme.earn_points_max, burned)
    staged = StagedBalance(
        programme_id=before.programme_id,
        new_balance=command.new_balance,
        difference=difference,
        held=max(0, -difference - burned),
    )
    ledger.change_hold(draft, account, staged.held - staged_hold)
    after = msgspec.structs.replace(before, staged=staged)
    return ProcessAnswer(process=save(draft, before, after))


def reverse(draft: Draft, command: ReverseProcess, now: int) -> ReversalAnswer:
    """Decide a ReverseProcess."""
    process = _find_or_mark(draft, command, now)
    if process is None:
        return ReversalAnswer(outcome=ReversalOutcome.NEVER_SEEN)
    if not as_terminal_sees(process).is_final:
        reason = RefusalReason.RELEASED_BY_TERMINAL
        ended = end(draft, process, ProcessState.RELEASED, reason, now)
        ended = msgspec.structs.replace(ended, note=command.note)
        return ReversalAnswer(outcome=ReversalOutcome.RELEASED, process=save(draft, process, ended))
    if process.state is not ProcessState.COMPLETED:
        return ReversalAnswer(outcome=ReversalOutcome.RELEASED, process=process)
    if process.reversed_by:
        return _compensated(process, draft.get(Process.key_of(process.reversed_by)))
    return _compensate(draft, process, command, now)


def find(draft: Draft, partition: int, caller: Caller, name: ProcessName) -> Process | None:
    """Return the terminal's process by its id or by the request_id that made it."""
    process_id = name.process_id
    if not process_id:
        request = draft.get(
            Request.key_of(partition, name.resolve_request_id, RESOLVE_RPC, caller.name)
        )
        process_id = request.process_id if request else ""
    process = draft.get(Process.key_of(process_id)) if process_id else None
    return process if process and process.terminal_id == caller.caller_id else None


def _instructed(
    draft: Draft, command: CompleteProcess | UpdatePoints, states: set[ProcessState]
) -> Process:
    process = find(draft, command.partition, command.caller, command.name)
    if process is None:
        raise Refused(Reason.PROCESS_NOT_FOUND)
    state = as_terminal_sees(process).state
    if state is ProcessState.CONTESTED:
        raise Refused(Reason.PROCESS_CONTESTED)
    if state not in states:
        raise Refused(Reason.PROCESS_NOT_INSTRUCTED, state=state.name)
    return process


def _check_bounds(
    draft: Draft, customer: Customer, difference: int, most_added: int, burned: int
) -> None:
    """Refuse to add more than the programme allows, or to take what the customer must confirm."""
    most_taken = max(burned, current_policy(draft).confirm_points_from - 1, 0)
    if difference > most_added:
        raise Refused(Reason.POINTS_OVER_LIMIT, limit=str(most_added))
    if is_frozen(draft, customer.registered_at):
        most_taken = burned  # what was held before the restore
    if -difference > most_taken:
        raise Refused(Reason.POINTS_OVER_LIMIT, limit=str(most_taken))


def _burned(process: Process) -> int:
    grants = [action.grant for action in process.actions]
    return sum(granted.points for granted in grants if isinstance(granted, BurnPointsGrant))


def _find_or_mark(draft: Draft, command: ReverseProcess, now: int) -> Process | None:
    """Return the process; or leave a mark, so that the request is refused if it still arrives."""
    process = find(draft, command.partition, command.caller, command.name)
    if process is not None:
        return process
    if not command.name.resolve_request_id:
        raise Refused(Reason.PROCESS_NOT_FOUND)
    mark = Request(
        partition=command.partition,
        request_id=command.name.resolve_request_id,
        caller_id=command.caller.name,
        rpc=RESOLVE_RPC,
        fingerprint="",
        decided_at=now,
        is_reversed=True,
    )
    if draft.get(mark.key) is None:
        draft.put(mark)
    return None


def _compensate(
    draft: Draft, process: Process, command: ReverseProcess, now: int
) -> ReversalAnswer:
    """Undo a completed process by a linked one, if it is not too late."""
    if process.reverses:
        return _refused(process, ReversalRefusal.IS_REVERSAL)
    window_seconds = current_policy(draft).reversal_window_seconds
    if now > process.ended_at + window_seconds * 1000:
        return _refused(process, ReversalRefusal.WINDOW_OVER)
    undone = actions.undo_all(draft, process, now)
    reversal = Process(
        partition=process.partition,
        process_id=make_id(process.partition, now, command.fresh),
        customer_id=process.customer_id,
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        request_id=command.request.request_id if command.request else "",
        state=ProcessState.COMPLETED,
        created_at=now,
        ended_at=now,
        policy_version=process.policy_version,
        programme_id=process.programme_id,
        actions=undone.actions,
        postings=undone.postings,
        debt=undone.debt,
        sale_total=process.sale_total,
        card_total=process.card_total,
        reverses=process.process_id,
        note=command.note,
    )
    reversal = save(draft, None, reversal)
    original = msgspec.structs.replace(undone.original, reversed_by=reversal.process_id)
    return _compensated(save(draft, process, original), reversal)


def _compensated(process: Process, reversal: Process | None) -> ReversalAnswer:
    assert reversal is not None, "a linked process exists"
    is_open = any(action.settlement in _MONEY_NOT_BACK for action in reversal.actions)
    outcome = ReversalOutcome.COMPENSATING if is_open else ReversalOutcome.COMPENSATED
    return ReversalAnswer(outcome=outcome, process=process, reversal=reversal)


def _refused(process: Process, why: ReversalRefusal) -> ReversalAnswer:
    return ReversalAnswer(outcome=ReversalOutcome.REFUSED, refused_because=why, process=process)
