"""Whether a right may be used while it is not settled what a restored database has lost."""

from typing import Final

from tallymark_server.domain.actions.refused import ActionRefused
from tallymark_server.domain.model.actions import RefusalReason
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.domain.state import Draft

__all__ = ["TIMERS_WAIT_MILLISECONDS", "is_frozen", "refuse_frozen"]

TIMERS_WAIT_MILLISECONDS: Final = 60_000
"""How long the timer of a frozen process is put off, again and again."""


def is_frozen(draft: Draft, registered_at: int) -> bool:
    """Say whether what was registered at this time may have been used without a trace."""
    recovery = draft.get(Recovery.key_of_newest())
    return recovery is not None and recovery.is_unsettled and registered_at < recovery.opened_at


def refuse_frozen(draft: Draft, registered_at: int) -> None:
    """Refuse the action if its right is frozen.

    Raises:
        ActionRefused: RESTORE_UNSETTLED.

    """
    if is_frozen(draft, registered_at):
        raise ActionRefused(RefusalReason.RESTORE_UNSETTLED)
