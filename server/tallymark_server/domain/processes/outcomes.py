"""What the world outside says, or fails to say: the credit institution's answers, and time."""

from typing import Final

import msgspec

from tallymark_server.domain.answers import Done
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationResult,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.commands import (
    FireTimer,
    RecordAuthorisation,
    RecordSettlement,
)
from tallymark_server.domain.model.actions import (
    Action,
    ChargeGrant,
    Refusal,
    RefusalReason,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.processes.lifecycle import end, instruct, save
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.domain.state import Draft
from tallymark_server.domain.unconfirmed import take_back

__all__ = ["REVERSAL_TRIES", "fire_timer", "record_authorisation", "record_settlement"]

REVERSAL_TRIES: Final = 6
"""Reversals are tried this often, then raised to a person (PayEx)."""

_REFUSALS: Final = {
    AuthorisationAnswer.PARTIALLY_APPROVED: RefusalReason.PARTIAL_APPROVAL,
    AuthorisationAnswer.INSUFFICIENT_FUNDS: RefusalReason.INSUFFICIENT_FUNDS,
    AuthorisationAnswer.CARD_EXPIRED: RefusalReason.CARD_EXPIRED,
    AuthorisationAnswer.CARD_BLOCKED: RefusalReason.CARD_BLOCKED,
    AuthorisationAnswer.SUSPECTED_FRAUD: RefusalReason.SUSPECTED_FRAUD,
    AuthorisationAnswer.NOT_HONOURED: RefusalReason.NOT_HONOURED,
    AuthorisationAnswer.REVERSED_BEFORE: RefusalReason.NOT_HONOURED,
    AuthorisationAnswer.APPROVED: RefusalReason.PARTIAL_APPROVAL,  # approved another amount
}

# Two tables, because values of two StrEnums are equal keys when their texts are equal.
_CAPTURED: Final[dict[str, Settlement]] = {
    CaptureResult.CAPTURED: Settlement.SETTLED,
    CaptureResult.REFUSED: Settlement.MANUAL,
    CaptureResult.NEVER_SEEN: Settlement.MANUAL,
}

_REVERSED: Final[dict[str, Settlement]] = {
    ReversalResult.REVERSED: Settlement.RELEASED,
    ReversalResult.NEVER_SEEN: Settlement.RELEASED,
    ReversalResult.REFUSED: Settlement.MANUAL,
}


def fire_timer(draft: Draft, command: FireTimer, now: int) -> Done:
    """End what nobody answered in time. What was instructed is only marked: goods may be gone."""
    before = draft.get(Process.key_of(command.process_id))
    if before is None or not before.timer_at:
        return Done()
    if before.timer_at != command.timer_at or now < before.timer_at:
        return Done()
    match as_terminal_sees(before).state:
        case ProcessState.AWAITING_CUSTOMER:
            reason = RefusalReason.CUSTOMER_SILENT
            after = end(draft, before, ProcessState.EXPIRED, reason, now)
        case ProcessState.AUTHORISING:
            take_back(draft, before)
            reason = RefusalReason.INSTITUTION_UNREACHABLE
            after = end(draft, before, ProcessState.EXPIRED, reason, now)
        case _:
            after = msgspec.structs.replace(before, state=ProcessState.OVERDUE, timer_at=0)
    save(draft, before, after)
    return Done(count=1)


def record_authorisation(draft: Draft, command: RecordAuthorisation, now: int) -> Done:
    """Take in the institution's answer, if it is still the one that is waited for."""
    before = draft.get(Process.key_of(command.process_id))
    action = _waiting(before, command.action, command.attempt, {SettlementTask.AUTHORISE})
    if before is None or action is None:
        return Done()
    if command.result is None:
        after = before.with_action(command.action, _try_again(action, now))
    elif _approves(action, command.result):
        approved = before.with_action(command.action, _approved(action, command.result))
        after = instruct(draft, approved, now)
    else:
        after = _declined(draft, before, command.action, command.result, now)
    save(draft, before, after)
    return Done(count=1)


def record_settlement(draft: Draft, command: RecordSettlement, now: int) -> Done:
    """Take in what became of a capture or reversal. This never changes the process's state."""
    before = draft.get(Process.key_of(command.process_id))
    tasks = {SettlementTask.CAPTURE, SettlementTask.REVERSE}
    action = _waiting(before, command.action, command.attempt, tasks)
    if before is None or action is None:
        return Done()
    authorisation = action.authorisation
    assert authorisation is not None, "a waiting action has an authorisation"
    is_reversal = authorisation.task is SettlementTask.REVERSE
    if command.result is not None:
        outcomes = _REVERSED if is_reversal else _CAPTURED
        action = _close_task(action, outcomes[command.result])
    elif is_reversal and authorisation.attempts + 1 >= REVERSAL_TRIES:
        action = _close_task(action, Settlement.MANUAL)
    else:
        action = _try_again(action, now)
    save(draft, before, before.with_action(command.action, action))
    return Done(count=1)


def _waiting(
    process: Process | None, place: int, attempt: int, tasks: set[SettlementTask]
) -> Action | None:
    """Return the action if this attempt at one of these tasks is the one that is open."""
    if process is None:
        return None
    action = process.actions[place]
    authorisation = action.authorisation
    if authorisation is None or authorisation.task not in tasks:
        return None
    return action if authorisation.attempts == attempt else None


def _approves(action: Action, result: AuthorisationResult) -> bool:
    assert isinstance(action.grant, ChargeGrant), "only charges are authorised"
    whole = result.approved_minor_units == action.grant.amount.minor_units
    return result.answer is AuthorisationAnswer.APPROVED and whole


def _approved(action: Action, result: AuthorisationResult) -> Action:
    assert isinstance(action.grant, ChargeGrant), "only charges are authorised"
    granted = msgspec.structs.replace(action.grant, authorisation_code=result.authorisation_code)
    return _close_task(msgspec.structs.replace(action, grant=granted), Settlement.HELD)


def _declined(
    draft: Draft, before: Process, place: int, result: AuthorisationResult, now: int
) -> Process:
    """Decline the process; what the institution holds in part is reversed."""
    refusal = Refusal(reason=_REFUSALS[result.answer])
    held = result.answer.holds_money
    action = _close_task(before.actions[place], Settlement.HELD if held else Settlement.NONE)
    action = msgspec.structs.replace(action, refusal=refusal)
    process = before.with_action(place, action)
    take_back(draft, process)
    return end(draft, process, ProcessState.DECLINED, refusal, now)


def _close_task(action: Action, settlement: Settlement) -> Action:
    assert action.authorisation is not None, "only an authorisation has tasks"
    done = msgspec.structs.replace(action.authorisation, task=None, due_at=0)
    return msgspec.structs.replace(action, authorisation=done, settlement=settlement)


def _try_again(action: Action, now: int) -> Action:
    authorisation = action.authorisation
    assert authorisation is not None, "only an authorisation has tasks"
    attempts = authorisation.attempts + 1
    due_at = now + 1000 * _wait_seconds(authorisation.task, attempts)
    later = msgspec.structs.replace(authorisation, attempts=attempts, due_at=due_at)
    return msgspec.structs.replace(action, authorisation=later)


def _wait_seconds(task: SettlementTask | None, attempts: int) -> int:
    """Return the wait before the next try.

    An authorisation is wanted soon; the others can take up to an hour.
    """
    if task is SettlementTask.AUTHORISE:
        return 2
    wait: int = 10 * 3 ** (attempts - 1)
    return min(3600, wait)
