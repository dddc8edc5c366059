"""What operators do to the server's keys: written down by the rules, before it is done."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.keys import KeyKind

__all__ = ["RevokeKey", "RotateKey"]


class RotateKey(Command, frozen=True, kw_only=True):
    """Have this key, which is in use, replaced by a new one."""

    kind: KeyKind
    key_id: int


class RevokeKey(Command, frozen=True, kw_only=True):
    """Have this key, which signs codes or did, given up at once."""

    key_id: int
    note: str
