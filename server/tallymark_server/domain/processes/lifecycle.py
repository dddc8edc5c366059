"""The steps from state to state.

Each returns the process as it is after the step; `save` writes it once, at the end.
"""

from typing import Final

import msgspec

from tallymark_server.domain import actions
from tallymark_server.domain.actions import charge
from tallymark_server.domain.model.actions import (
    ChargeGrant,
    Refusal,
    RefusalReason,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import (
    Code,
    CodeState,
    CustomerProcess,
    Due,
    Process,
    ProcessState,
    Unresolved,
)
from tallymark_server.domain.processes.terminal_view import end_for_terminal, end_in_secret
from tallymark_server.domain.prompts import remember_prompt
from tallymark_server.domain.state import Draft, Key

__all__ = [
    "AUTHORISE_HARD_SECONDS",
    "await_customer",
    "complete",
    "end",
    "grant",
    "has_open_work",
    "instruct",
    "is_unresolved",
    "proceed",
    "save",
]

AUTHORISE_HARD_SECONDS: Final = 120
"""After this long without an answer the institution counts as unreachable."""

_WAIT_FOR_A_PERSON = {ProcessState.OVERDUE, ProcessState.CONTESTED}


def grant(draft: Draft, process: Process, now: int) -> Process:
    """Grant every action and sum up what the card pays."""
    granted = actions.grant_all(draft, process, now)
    for action in granted.actions:
        if isinstance(action.grant, ChargeGrant):
            return msgspec.structs.replace(granted, card_total=action.grant.amount)
    return granted


def await_customer(process: Process) -> Process:
    """Ask the customer, for a while."""
    confirm_by = process.created_at + process.confirm_within_seconds * 1000
    return msgspec.structs.replace(
        process,
        state=ProcessState.AWAITING_CUSTOMER,
        confirm_by=confirm_by,
        timer_at=confirm_by,
    )


def proceed(draft: Draft, process: Process, now: int) -> Process:
    """Go on with what is granted and, where needed, confirmed: authorise the card, or instruct."""
    for place, action in enumerate(process.actions):
        if action.authorisation is not None:
            asked = charge.open_task(action, SettlementTask.AUTHORISE, now)
            return msgspec.structs.replace(
                process.with_action(place, asked),
                state=ProcessState.AUTHORISING,
                timer_at=min(process.closes_at, now + AUTHORISE_HARD_SECONDS * 1000),
                confirm_by=0,
            )
    return instruct(draft, process, now)


def instruct(draft: Draft, process: Process, now: int) -> Process:
    """Tell the terminal what to do, unless the code is contested."""
    if process.is_contested:
        return msgspec.structs.replace(
            process, state=ProcessState.CONTESTED, timer_at=0, confirm_by=0
        )
    execute_by = now + process.execute_within_seconds * 1000
    instructed = msgspec.structs.replace(
        process,
        state=ProcessState.INSTRUCTED,
        execute_by=execute_by,
        timer_at=execute_by,
        confirm_by=0,
    )
    if process.completes_on_instruction:
        return complete(draft, instructed, now)
    return instructed


def complete(draft: Draft, process: Process, now: int) -> Process:
    """Make everything final."""
    _consume_code(draft, process)
    return msgspec.structs.replace(
        actions.post_all(draft, process, now),
        state=ProcessState.COMPLETED,
        ended_at=now,
        timer_at=0,
        is_contested=False,
    )


def end(
    draft: Draft, process: Process, state: ProcessState, refusal: Refusal | RefusalReason, now: int
) -> Process:
    """End the process without any effect: everything held is let go, the code is dead.

    One that had ended already, in secret from its terminal, ends for that too.
    """
    if isinstance(refusal, RefusalReason):
        refusal = Refusal(reason=refusal)
    if process.terminal_view is not None:
        return end_for_terminal(process, state, refusal, now)
    _consume_code(draft, process)
    ended = msgspec.structs.replace(
        actions.release_all(draft, process, now),
        state=state,
        refusal=refusal,
        ended_at=now,
        timer_at=0,
        confirm_by=0,
        is_contested=False,
    )
    return end_in_secret(process, ended)


def save(draft: Draft, before: Process | None, after: Process) -> Process:
    """Write the process with its version, its customer's event, its open work and its indexes."""
    if _is_for_customer(before, after):
        after = msgspec.structs.replace(after, version=after.version + 1)
        if after.customer_id:
            after = _tell_customer(draft, before, after)
    old, new = _due(before), _due(after)
    for key in old.keys() - new.keys():
        draft.delete(key)
    for key in new.keys() - old.keys():
        draft.put(new[key])
    _index_unresolved(draft, before, after)
    draft.put(after)
    return after


def _is_for_customer(before: Process | None, after: Process) -> bool:
    """Say whether anything changes but how a process, ended in secret, stands for its terminal."""
    view = before.terminal_view if before else None
    return view is None or view == after.terminal_view


def _tell_customer(draft: Draft, before: Process | None, after: Process) -> Process:
    """Give the change its number among the customer's, and remember an open telephone prompt."""
    customer = draft.get(Customer.key_of(after.partition, after.customer_id))
    assert customer is not None, "a process's customer exists"
    event = customer.last_event + 1
    draft.put(msgspec.structs.replace(remember_prompt(customer, after), last_event=event))
    if before is None:
        draft.put(
            CustomerProcess(
                partition=after.partition,
                customer_id=after.customer_id,
                process_id=after.process_id,
            )
        )
    return msgspec.structs.replace(after, event=event)


def _due(process: Process | None) -> dict[Key[Due], Due]:
    """Return the open work of a process: its timer, and what the institution is to be told."""
    if process is None:
        return {}
    times = {-1: process.timer_at}
    for place, action in enumerate(process.actions):
        if action.authorisation is not None and action.authorisation.task is not None:
            times[place] = action.authorisation.due_at
    rows = [
        Due(partition=process.partition, due_at=at, process_id=process.process_id, action=place)
        for place, at in times.items()
        if at
    ]
    return {row.key: row for row in rows}


def _index_unresolved(draft: Draft, before: Process | None, after: Process) -> None:
    row = Unresolved(partition=after.partition, process_id=after.process_id)
    was = before is not None and is_unresolved(before)
    if is_unresolved(after) and not was:
        draft.put(row)
    elif was and not is_unresolved(after):
        draft.delete(row.key)


def is_unresolved(process: Process) -> bool:
    """Say whether the process waits for a person."""
    manual = any(action.settlement is Settlement.MANUAL for action in process.actions)
    return manual or process.is_disputed or process.state in _WAIT_FOR_A_PERSON


def has_open_work(process: Process) -> bool:
    """Say whether a timer runs, or the institution is to be told or asked."""
    return bool(_due(process))


def _consume_code(draft: Draft, process: Process) -> None:
    if process.code_text:
        code = draft.get(Key(Code, process.partition, process.code_text))
        assert code is not None, "a process's code exists"
        draft.put(msgspec.structs.replace(code, state=CodeState.CONSUMED))
