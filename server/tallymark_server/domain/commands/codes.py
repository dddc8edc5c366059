"""What phones can ask of the rules about codes."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.commands.passwords import UsesPassword
from tallymark_server.domain.model.people import BillReference, TicketReference
from tallymark_server.domain.model.processes import CodePurpose
from tallymark_server.domain.value import Value

__all__ = [
    "IssueCode",
    "RevokeCode",
    "TerminalTag",
]


class TerminalTag(Value, frozen=True, kw_only=True):
    """Whose tag was scanned, as the server had signed it. One that is no good names nobody."""

    terminal_id: str = ""
    merchant_id: str = ""


class IssueCode(UsesPassword, frozen=True, kw_only=True):
    """Keep a new code. It was made by the caller of the rules, who has the keys."""

    cti_hash: str
    text_hash: str
    key_id: int
    expires_at_seconds: int
    purpose: CodePurpose
    card_id: str
    bill: BillReference | None
    ticket: TicketReference | None
    tag: TerminalTag | None


class RevokeCode(Command, frozen=True, kw_only=True):
    """Revoke the device's unused codes, of one purpose or all."""

    purpose: CodePurpose | None
