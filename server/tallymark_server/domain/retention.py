"""What is removed because it is old, and what makes sure that nothing happens twice without it.

- A code is dead by its own expiry, which its signature covers: the row is not asked for that.
- A process takes with it its code, its place in its customer's list, and the request that made it.
- A request that is sent again after its row was removed finds its code expired, its process ended
  or gone, its invitation used. Only what is harmless happens anew (docs/decisions/0020).

Nothing is removed while a recovery is open: terminals may still report what they executed.
"""

from typing import Final

import msgspec

from tallymark_server.domain.answers import Done
from tallymark_server.domain.commands import PurgeRows
from tallymark_server.domain.model.merchants import CallerKind, Policy
from tallymark_server.domain.model.processes import (
    Code,
    CodeState,
    CustomerProcess,
    Process,
    Request,
)
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.domain.model.retention import PurgeMark
from tallymark_server.domain.model.tallies import DAY_MILLISECONDS
from tallymark_server.domain.policy import current_policy, is_past_keeping
from tallymark_server.domain.processes.finish import RESOLVE_RPC
from tallymark_server.domain.processes.lifecycle import has_open_work, is_unresolved
from tallymark_server.domain.state import Draft, Key

__all__ = ["CODE_KEPT_SECONDS", "is_old_code", "is_old_process", "purge_rows"]

CODE_KEPT_SECONDS: Final = 24 * 3600
"""After its expiry: for a day a terminal is told what became of a code, then that it expired.

It is far more than a clock may be off: the server's may move by seconds (decision 0018).
"""


def purge_rows(draft: Draft, command: PurgeRows, now: int) -> Done:
    """Remove the rows that are old, and return how many there were; all are looked at again."""
    recovery = draft.get(Recovery.key_of_newest())
    if recovery is not None and recovery.is_unsettled:
        return Done()
    policy = current_policy(draft)
    removed = _purge_codes(draft, command, now)
    removed += _purge_processes(draft, command, policy, now)
    removed += _purge_requests(draft, command, policy, now)
    if command.sequence or command.erased_sequence:
        _move_mark(draft, command)
    return Done(count=removed)


def is_old_code(code: Code, now: int) -> bool:
    """Say whether nobody asks for the code; a claimed one belongs to a process that is open."""
    kept_until = (code.expires_at_seconds + CODE_KEPT_SECONDS) * 1000
    return code.state is not CodeState.CLAIMED and now >= kept_until


def is_old_process(process: Process, policy: Policy, now: int) -> bool:
    """Say whether the process ended long ago, and neither a person nor the institution is asked."""
    is_settled = not is_unresolved(process) and not has_open_work(process)
    return process.is_final and is_settled and is_past_keeping(process.ended_at, policy, now)


def _move_mark(draft: Draft, command: PurgeRows) -> None:
    mark = draft.get(PurgeMark.key_of(command.partition)) or PurgeMark(partition=command.partition)
    draft.put(
        msgspec.structs.replace(
            mark,
            sequence=max(mark.sequence, command.sequence),
            erased_sequence=max(mark.erased_sequence, command.erased_sequence),
        )
    )


def _purge_codes(draft: Draft, command: PurgeRows, now: int) -> int:
    keys = [Key(Code, command.partition, text) for text in command.codes]
    draft.fetch(*keys)
    codes = [code for key in keys if (code := draft.get(key)) and is_old_code(code, now)]
    for code in codes:
        draft.delete(code.key)
    return len(codes)


def _purge_processes(draft: Draft, command: PurgeRows, policy: Policy, now: int) -> int:
    keys = [Process.key_of(process_id) for process_id in command.process_ids]
    draft.fetch(*keys)
    old = [one for key in keys if (one := draft.get(key)) and is_old_process(one, policy, now)]
    draft.fetch(*(Process.key_of(process.reverses) for process in old if process.reverses))
    removed = 0
    for process in sorted(old, key=lambda one: bool(one.reverses)):
        if process.reverses and draft.get(Process.key_of(process.reverses)) is not None:
            continue  # the one that it took back tells of it
        for key in _keys_with(process):
            draft.delete(key)
        removed += 1
    return removed


def _keys_with(process: Process) -> list[Key[Process | CustomerProcess | Code | Request]]:
    """Return the keys of the process and of what is found by it alone."""
    partition = process.partition
    keys: list[Key[Process | CustomerProcess | Code | Request]] = [process.key]  # type: ignore[list-item]  # a key of one of them
    if process.customer_id:
        listed = f"{process.customer_id}/{process.process_id}"
        keys.append(Key(CustomerProcess, partition, listed))
    if process.code_text:
        keys.append(Key(Code, partition, process.code_text))
    if not process.reverses:
        caller = f"{CallerKind.TERMINAL}/{process.terminal_id}"
        keys.append(Request.key_of(partition, process.request_id, RESOLVE_RPC, caller))  # type: ignore[arg-type]  # the same
    return keys


def _purge_requests(draft: Draft, command: PurgeRows, policy: Policy, now: int) -> int:
    """Remove requests, but for those that made a process: these go with it."""
    keys = [Key(Request, command.partition, text) for text in command.requests]
    draft.fetch(*keys)
    kept = policy.keep_requests_days * DAY_MILLISECONDS
    old = [
        request
        for key in keys
        if (request := draft.get(key)) and not request.process_id
        if now >= request.decided_at + kept
    ]
    for request in old:
        draft.delete(request.key)
    return len(old)
