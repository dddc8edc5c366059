"""What a person decides about a process that waits for one."""

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ProcessAnswer
from tallymark_server.domain.commands import SettleProcess
from tallymark_server.domain.model.actions import RefusalReason, Settlement
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.processes.lifecycle import complete, end, is_unresolved, save
from tallymark_server.domain.processes.settling import tell_again
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["settle"]


def settle(draft: Draft, command: SettleProcess, now: int) -> ProcessAnswer:
    """Decide an operator's SettleProcess. Repeating it changes nothing."""
    before = draft.get(Process.key_of(command.process_id))
    if before is None:
        raise Refused(Reason.PROCESS_NOT_FOUND)
    if command.try_again:
        return ProcessAnswer(process=_tell_again(draft, before, command.note, now))
    settled = (before.settled_as_executed, before.note)
    if settled == (command.executed, command.note) and not is_unresolved(before):
        return ProcessAnswer(process=before)
    waits = before.is_final or before.state in {ProcessState.OVERDUE, ProcessState.CONTESTED}
    if not waits or not is_unresolved(before):
        raise Refused(Reason.PROCESS_NOT_UNRESOLVED, state=before.state.name)
    if before.is_final:
        after = _settle_manual(before, executed=command.executed)
    elif command.executed:
        after = complete(draft, before, now)
    else:
        reason = RefusalReason.RELEASED_BY_OPERATOR
        after = end(draft, before, ProcessState.RELEASED, reason, now)
    after = msgspec.structs.replace(
        after, note=command.note, settled_as_executed=command.executed, is_disputed=False
    )
    return ProcessAnswer(process=save(draft, before, after))


def _tell_again(draft: Draft, before: Process, note: str, now: int) -> Process:
    """Have the institution told once more, unless it is being told already."""
    if any(action.authorisation and action.authorisation.task for action in before.actions):
        return before
    after = tell_again(before, now)
    if after == before:
        raise Refused(Reason.PROCESS_NOT_UNRESOLVED, state=before.state.name)
    return save(draft, before, msgspec.structs.replace(after, note=note))


def _settle_manual(process: Process, *, executed: bool) -> Process:
    """Close by hand what no retry could close; the state of the process stays."""
    settled = Settlement.SETTLED if executed else Settlement.RELEASED
    return msgspec.structs.replace(
        process,
        actions=tuple(
            msgspec.structs.replace(action, settlement=settled)
            if action.settlement is Settlement.MANUAL
            else action
            for action in process.actions
        ),
    )
