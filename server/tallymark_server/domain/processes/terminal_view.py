"""What a terminal may know of a process that began with a telephone number.

Until the customer has said yes, a terminal must not find out whether the number is registered, nor
what its owner has or does. So to its terminal such a process looks like one for a number that
nobody has: nothing is granted, and nobody answers until the time is over. A no is the customer's
own affair: the phone knows it at once, the terminal hears of nothing, at that time.
"""

import msgspec

from tallymark_server.domain.model.actions import Action, Refusal
from tallymark_server.domain.model.processes import Process, ProcessState, TerminalView

__all__ = ["as_terminal_sees", "end_for_terminal", "end_in_secret"]


def as_terminal_sees(process: Process) -> Process:
    """Return the process as its terminal may know it."""
    if not _is_secret(process):
        return process
    seen = msgspec.structs.replace(
        process,
        customer_id="",
        card_total=None,
        is_disputed=False,
        actions=tuple(Action(ask=action.ask) for action in process.actions),
    )
    view = process.terminal_view
    if view is None:
        return seen
    return msgspec.structs.replace(
        seen,
        state=view.state,
        version=view.version,
        refusal=view.refusal,
        confirm_by=view.confirm_by,
        ended_at=view.ended_at,
    )


def end_in_secret(before: Process, ended: Process) -> Process:
    """Return a process that ends; if that is a no by telephone, its terminal waits on."""
    if not _is_secret(before) or ended.state is not ProcessState.DECLINED:
        return ended
    view = TerminalView(state=before.state, version=before.version, confirm_by=before.confirm_by)
    return msgspec.structs.replace(ended, terminal_view=view, timer_at=before.timer_at)


def end_for_terminal(process: Process, state: ProcessState, refusal: Refusal, now: int) -> Process:
    """Return a process that had ended in secret as ended for its terminal too."""
    assert process.terminal_view is not None, "its terminal waits on"
    version = process.terminal_view.version + 1
    view = TerminalView(state=state, version=version, refusal=refusal, ended_at=now)
    return msgspec.structs.replace(process, terminal_view=view, timer_at=0)


def _is_secret(process: Process) -> bool:
    """Say whether the process is about somebody whom its terminal must not know of."""
    return process.by_telephone and bool(process.customer_id) and not process.is_confirmed
