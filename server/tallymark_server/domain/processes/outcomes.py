"""What the world outside says, or fails to say: the credit institution's answers, and time."""

from typing import Final

import msgspec

from tallymark_server.domain.answers import Done
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationResult,
)
from tallymark_server.domain.commands import (
    FireTimer,
    RecordAuthorisation,
)
from tallymark_server.domain.frozen import TIMERS_WAIT_MILLISECONDS, is_frozen
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
from tallymark_server.domain.processes.settling import close_task, reopen, try_again, waiting
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.domain.state import Draft
from tallymark_server.domain.unconfirmed import take_back

__all__ = ["fire_timer", "record_authorisation"]

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


_UNDECIDED: Final = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING}


_LET_GO: Final = {Settlement.NONE, Settlement.RELEASE_PENDING, Settlement.RELEASED}


def fire_timer(draft: Draft, command: FireTimer, now: int) -> Done:
    """End what nobody answered in time. What was instructed is only marked: goods may be gone."""
    before = draft.get(Process.key_of(command.process_id))
    if before is None or not before.timer_at:
        return Done()
    if before.timer_at != command.timer_at or now < before.timer_at:
        return Done()
    if before.state in _UNDECIDED and is_frozen(draft, before.created_at):
        later = now + TIMERS_WAIT_MILLISECONDS  # it may have been executed after the backup
        save(draft, before, msgspec.structs.replace(before, timer_at=later))
        return Done(count=1)
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
    """Take in the institution's answer.

    One that is not waited for any more counts too if it holds money: that is reversed.
    """
    before = draft.get(Process.key_of(command.process_id))
    action = waiting(before, command.action, command.attempt, {SettlementTask.AUTHORISE})
    if before is None:
        return Done()
    if action is None:
        return _take_in_late(draft, before, command, now)
    if command.result is None:
        after = before.with_action(command.action, try_again(action, now, said=command.said))
    elif _approves(action, command.result):
        approved = before.with_action(command.action, _approved(action, command.result))
        after = instruct(draft, approved, now)
    else:
        after = _declined(draft, before, command.action, command.result, now)
    save(draft, before, after)
    return Done(count=1)


def _take_in_late(draft: Draft, before: Process, command: RecordAuthorisation, now: int) -> Done:
    """Reverse what is held although it was let go.

    While it is being reversed there is nothing to add: it is looked up again after that.
    """
    action = before.actions[command.action]
    authorisation, result = action.authorisation, command.result
    if authorisation is None or result is None or not result.answer.holds_money:
        return Done()
    is_told = authorisation.task in {None, SettlementTask.RECHECK}
    if not (before.is_final and is_told and action.settlement in _LET_GO):
        return Done()
    after = before.with_action(command.action, reopen(action, now, said=command.said))
    save(draft, before, after)
    return Done(count=1)


def _approves(action: Action, result: AuthorisationResult) -> bool:
    assert isinstance(action.grant, ChargeGrant), "only charges are authorised"
    whole = result.approved_minor_units == action.grant.amount.minor_units
    return result.answer is AuthorisationAnswer.APPROVED and whole


def _approved(action: Action, result: AuthorisationResult) -> Action:
    assert isinstance(action.grant, ChargeGrant), "only charges are authorised"
    granted = msgspec.structs.replace(action.grant, authorisation_code=result.authorisation_code)
    held = msgspec.structs.replace(action, grant=granted)
    return close_task(held, Settlement.HELD, said=result.answer)


def _declined(
    draft: Draft, before: Process, place: int, result: AuthorisationResult, now: int
) -> Process:
    """Decline the process; what the institution holds in part is reversed."""
    refusal = Refusal(reason=_REFUSALS[result.answer])
    held = result.answer.holds_money
    settlement = Settlement.HELD if held else Settlement.NONE
    action = close_task(before.actions[place], settlement, said=result.answer)
    action = msgspec.structs.replace(action, refusal=refusal)
    process = before.with_action(place, action)
    take_back(draft, process)
    return end(draft, process, ProcessState.DECLINED, refusal, now)
