"""What can be asked of the rules about who may call: enrolling, renewing, revoking."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.merchants import CallerKind

__all__ = [
    "AdoptKey",
    "CreateOperator",
    "CreateTerminal",
    "DelegateTerminal",
    "Enrol",
    "ReenrolTerminal",
    "RenewCertificate",
    "RevokeOperator",
    "RevokeTerminal",
]


class Enrol(Command, frozen=True, kw_only=True):
    """Exchange a one-time code for a certificate, made for the owner that the code has."""

    kind: CallerKind
    code_hash: str
    owner_id: str
    key_hash: str
    certificate_pem: str
    expires_at: int


class RenewCertificate(Command, frozen=True, kw_only=True):
    """Take the next certificate of the calling terminal or operator."""

    key_hash: str
    certificate_pem: str
    expires_at: int


class CreateOperator(Command, frozen=True, kw_only=True):
    """Add an operator."""

    operator_id: str
    code_hash: str


class RevokeOperator(Command, frozen=True, kw_only=True):
    """Shut an operator out."""

    operator_id: str


class CreateTerminal(Command, frozen=True, kw_only=True):
    """Add a terminal."""

    terminal_id: str
    merchant_id: str
    code_hash: str


class RevokeTerminal(Command, frozen=True, kw_only=True):
    """Shut a terminal out."""

    terminal_id: str


class DelegateTerminal(Command, frozen=True, kw_only=True):
    """Let another terminal speak for a terminal; an empty id: none."""

    terminal_id: str
    concentrator_id: str


class ReenrolTerminal(Command, frozen=True, kw_only=True):
    """Let a terminal enrol once more, as this generation of it."""

    terminal_id: str
    generation: int
    code_hash: str


class AdoptKey(Command, frozen=True, kw_only=True):
    """Know a key again whose certificate was issued after the backup that was restored."""

    kind: CallerKind
    owner_id: str
    key_hash: str
    issued_at: int
    expires_at: int
    certificate_pem: str = ""
