"""Telling the credit institution until it is done: captured, released for good, or with a person.

    CAPTURE   answered -> SETTLED; refused -> MANUAL; silent -> again, as long as it takes
    REVERSE   answered -> RELEASED, or RECHECK; refused, or silent six times -> MANUAL
    RECHECK   nothing is held, twice -> RELEASED; something is -> REVERSE once more; looks are as
              far apart as a request may be late, by a clock that nobody has moved meanwhile

A call that the institution rejects may be repeated too: what is wrong may be put right. But after
six rejections a person looks at it.
"""

from typing import Final

import msgspec

from tallymark_server.domain.actions import charge
from tallymark_server.domain.answers import Done
from tallymark_server.domain.authorisation import CaptureResult, ReversalResult
from tallymark_server.domain.commands import RecordRecheck, RecordSettlement
from tallymark_server.domain.model.actions import (
    Action,
    Authorisation,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.processes.lifecycle import AUTHORISE_HARD_SECONDS, save
from tallymark_server.domain.state import Draft

__all__ = [
    "LOOK_SECONDS",
    "close_task",
    "record_recheck",
    "record_settlement",
    "reopen",
    "tell_again",
    "try_again",
    "waiting",
]

TRIES: Final = 6
"""Reversals are tried this often, then raised to a person (PayEx); so is what is rejected."""

REOPENED_MAX: Final = 3
"""An institution that holds again what it has released more often than this needs a person."""

LOOK_SECONDS: Final = AUTHORISE_HARD_SECONDS
"""From a reversal to a look whether it stayed the last word, and from one look to the next."""

_FIRST_WAIT_SECONDS: Final = 10
_LONGEST_WAIT_SECONDS: Final = 3_600
"""Six tries of a reversal take 310 s: 10, 20, 40, 80 and 160 s lie between them."""

_CAPTURED: Final = {
    CaptureResult.CAPTURED: Settlement.SETTLED,
    CaptureResult.REFUSED: Settlement.MANUAL,
    CaptureResult.NEVER_SEEN: Settlement.MANUAL,
}


def record_settlement(draft: Draft, command: RecordSettlement, now: int) -> Done:
    """Take in what became of a capture or reversal. This never changes the process's state."""
    before = draft.get(Process.key_of(command.process_id))
    tasks = {SettlementTask.CAPTURE, SettlementTask.REVERSE}
    action = waiting(before, command.action, command.attempt, tasks)
    if before is None or action is None:
        return Done()
    match command.result:
        case None:
            action = _unanswered(action, command, now)
        case CaptureResult():
            action = close_task(action, _CAPTURED[command.result], said=command.said)
        case ReversalResult.REFUSED:
            action = close_task(action, Settlement.MANUAL, said=command.said)
        case _:
            action = _released(action, command.result, command.said, now)
    save(draft, before, before.with_action(command.action, action))
    return Done(count=1)


def record_recheck(draft: Draft, command: RecordRecheck, now: int) -> Done:
    """Take in how an authorisation stands that was reversed: for good, or to be reversed again."""
    before = draft.get(Process.key_of(command.process_id))
    action = waiting(before, command.action, command.attempt, {SettlementTask.RECHECK})
    if before is None or action is None:
        return Done()
    if command.lookup is None:
        action = _unanswered(action, command, now)
    elif command.lookup.may_hold_money:
        action = reopen(action, now, said=command.said)
    else:
        action = _looked_up(action, command, now)
    save(draft, before, before.with_action(command.action, action))
    return Done(count=1)


def waiting(
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


def reopen(action: Action, now: int, *, said: str) -> Action:
    """Reverse once more what was let go and is held all the same, but not for ever."""
    authorisation = _authorisation_of(action)
    if authorisation.reopened >= REOPENED_MAX:
        return close_task(action, Settlement.MANUAL, said=said)
    again = msgspec.structs.replace(authorisation, reopened=authorisation.reopened + 1, said=said)
    return _unheard(msgspec.structs.replace(action, authorisation=again), now)


def tell_again(process: Process, now: int) -> Process:
    """Begin anew with whatever was left to a person."""
    is_taken = process.state is ProcessState.COMPLETED and not process.reverses
    for place, action in enumerate(process.actions):
        if action.settlement is Settlement.MANUAL:
            told = charge.post(action, now) if is_taken else _unheard(action, now)
            process = process.with_action(place, told)
    return process


def close_task(action: Action, settlement: Settlement, *, said: str) -> Action:
    """End the open task with this try; how many there were stays, for whoever looks at it."""
    authorisation = _authorisation_of(action)
    done = msgspec.structs.replace(
        authorisation,
        task=None,
        due_at=0,
        attempts=authorisation.attempts + 1,
        looks_left=0,
        said=said,
    )
    return msgspec.structs.replace(action, authorisation=done, settlement=settlement)


def try_again(action: Action, now: int, *, said: str, is_rejected: bool = False) -> Action:
    """Repeat the open task after a while."""
    authorisation = _authorisation_of(action)
    attempts = authorisation.attempts + 1
    later = msgspec.structs.replace(
        authorisation,
        attempts=attempts,
        rejections=authorisation.rejections + is_rejected,
        due_at=now + 1000 * _wait_seconds(authorisation.task, attempts),
        said=said,
    )
    return msgspec.structs.replace(action, authorisation=later)


def _unanswered(action: Action, command: RecordSettlement | RecordRecheck, now: int) -> Action:
    """Try again what is not known to be done, until a person has to look at it."""
    later = try_again(action, now, said=command.said, is_rejected=command.is_rejected)
    authorisation = _authorisation_of(later)
    is_reversal = authorisation.task is SettlementTask.REVERSE
    tries = authorisation.attempts if is_reversal else authorisation.rejections
    if tries < TRIES:
        return later
    return close_task(action, Settlement.MANUAL, said=command.said)


def _released(action: Action, result: ReversalResult, said: str, now: int) -> Action:
    """End a reversal, or look again later whether it stayed the last word.

    What the institution says it never saw may still be on its way.
    """
    authorisation = _authorisation_of(action)
    if result is ReversalResult.NEVER_SEEN:
        authorisation = msgspec.structs.replace(authorisation, looks_left=charge.LOOKS)
    if not authorisation.looks_left:
        return close_task(action, Settlement.RELEASED, said=said)
    authorisation = msgspec.structs.replace(authorisation, said=said)
    action = msgspec.structs.replace(action, authorisation=authorisation)
    return charge.open_task(action, SettlementTask.RECHECK, now + 1000 * LOOK_SECONDS)


def _looked_up(action: Action, command: RecordRecheck, now: int) -> Action:
    """Count a look that found nothing held.

    It counts when the server has served for as long as there is to be between two of them. How long
    ago something was before its start nobody knows: the machine's clock may have been moved.
    """
    authorisation = _authorisation_of(action)
    counts = now - command.serving_since >= 1000 * LOOK_SECONDS
    looks_left = authorisation.looks_left - counts
    if not looks_left:
        return close_task(action, Settlement.RELEASED, said=command.said)
    authorisation = msgspec.structs.replace(authorisation, looks_left=looks_left, said=command.said)
    action = msgspec.structs.replace(action, authorisation=authorisation)
    return charge.open_task(action, SettlementTask.RECHECK, now + 1000 * LOOK_SECONDS)


def _unheard(action: Action, now: int) -> Action:
    """Reverse what is not known to be over afterwards: it is looked up again."""
    authorisation = msgspec.structs.replace(_authorisation_of(action), looks_left=charge.LOOKS)
    pending = msgspec.structs.replace(
        action, authorisation=authorisation, settlement=Settlement.RELEASE_PENDING
    )
    return charge.open_task(pending, SettlementTask.REVERSE, now)


def _authorisation_of(action: Action) -> Authorisation:
    assert action.authorisation is not None, "only an authorisation has tasks"
    return action.authorisation


def _wait_seconds(task: SettlementTask | None, attempts: int) -> int:
    """Return the wait before the next try.

    An authorisation is wanted soon; the others can take up to an hour.
    """
    if task is SettlementTask.AUTHORISE:
        return 2
    doublings = min(attempts - 1, 10)
    return min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS << doublings)
