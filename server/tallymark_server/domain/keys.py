"""Keys of the server: the rules only write down who had what done to them."""

from tallymark_server.domain.answers import Done
from tallymark_server.domain.commands import RevokeKey, RotateKey
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.keys import KeyEvent, KeyKind
from tallymark_server.domain.state import Draft

__all__ = ["revoke_key", "rotate_key"]


def rotate_key(draft: Draft, command: RotateKey, now: int) -> Done:
    """Write down that a key is being replaced."""
    draft.put(
        KeyEvent(
            partition=DIRECTORY,
            happened_at=now,
            kind=command.kind,
            key_id=command.key_id,
            operator_id=command.caller.caller_id,
        )
    )
    return Done()


def revoke_key(draft: Draft, command: RevokeKey, now: int) -> Done:
    """Write down that a key is being given up, and why."""
    draft.put(
        KeyEvent(
            partition=DIRECTORY,
            happened_at=now,
            kind=KeyKind.SIGNING,
            key_id=command.key_id,
            operator_id=command.caller.caller_id,
            is_revoked=True,
            note=command.note,
        )
    )
    return Done()
