"""Who may call: terminals and operators, their enrolment codes, and the list of their keys.

A terminal or operator is known by its key. The list has a line for each key that may call; a key
leaves it when its owner is revoked, and at the end of its certificate it counts no more.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CertificateAnswer, RowAnswer
from tallymark_server.domain.commands import (
    AdoptKey,
    CreateOperator,
    CreateTerminal,
    DelegateTerminal,
    Enrol,
    ReenrolTerminal,
    RenewCertificate,
    RevokeOperator,
    RevokeTerminal,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import (
    CallerKind,
    CertifiedKey,
    Credential,
    Enrolment,
    Merchant,
    Operator,
    Terminal,
    TerminalState,
)
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = [
    "KEYS_MAX",
    "adopt_key",
    "create_operator",
    "create_terminal",
    "delegate_terminal",
    "enrol",
    "reenrol_terminal",
    "renew_certificate",
    "revoke_operator",
    "revoke_terminal",
]

KEYS_MAX: Final = 3
"""Keys of one owner that may call at the same time: the one in use, the next, and a lost answer."""

_Owner = Terminal | Operator


def enrol(draft: Draft, command: Enrol, now: int) -> CertificateAnswer:
    """Exchange a one-time code for a certificate. The code is gone afterwards."""
    key = Enrolment.key_of(command.code_hash)
    enrolment = draft.get(key)
    if enrolment is None or (enrolment.kind, enrolment.owner_id) != (
        command.kind,
        command.owner_id,
    ):
        raise Refused(Reason.ENROLMENT_CODE_INVALID)
    owner = _owner(draft, command.kind, command.owner_id)
    if not _may_enrol(owner, enrolment):
        raise Refused(Reason.ENROLMENT_CODE_INVALID)
    if isinstance(owner, Terminal):
        owner = msgspec.structs.replace(owner, state=TerminalState.ENROLLED, enrolled_at=now)
    draft.delete(key)
    return _allow(draft, owner, command, now)


def renew_certificate(draft: Draft, command: RenewCertificate, now: int) -> CertificateAnswer:
    """Let the caller's next key call too; the one before goes on until its certificate ends.

    Whoever was shut out while the call was on its way would come back in by it.
    """
    owner = _owner(draft, command.caller.kind, command.caller.caller_id)
    if not _may_call(owner):
        raise Refused(Reason.CREDENTIALS_INVALID)
    return _allow(draft, owner, command, now)


def adopt_key(draft: Draft, command: AdoptKey, now: int) -> CertificateAnswer:
    """Let a key call that the server had certified after the backup that it was restored from.

    Its certificate is proof of that. Only while a recovery is open, and for an owner whom the
    backup knows as enrolled; who was shut out since comes back, and has to be shut out again.
    """
    recovery = draft.get(Recovery.key_of_newest())
    if recovery is None or not recovery.is_unsettled:
        raise Refused(Reason.CREDENTIALS_INVALID)
    owner = _find_owner(draft, command.kind, command.owner_id)
    if owner is None or not _may_call(owner):
        raise Refused(Reason.CREDENTIALS_INVALID)
    if command.issued_at < recovery.lost_since:
        raise Refused(Reason.CREDENTIALS_INVALID)  # it was shut out before
    return _allow(draft, owner, command, now)


def create_operator(draft: Draft, command: CreateOperator) -> RowAnswer:
    """Add an operator with a right to enrol. Until it is used, asking again is harmless."""
    operator = Operator(partition=DIRECTORY, operator_id=command.operator_id)
    if draft.get(operator.key) is not None:
        if draft.get(Enrolment.key_of(command.code_hash)) is None:  # enrolled since
            raise Refused(Reason.ALREADY_EXISTS_DIFFERENT)
        return RowAnswer(is_new=False)
    draft.put(operator)
    _put_enrolment(draft, command.code_hash, CallerKind.OPERATOR, command.operator_id)
    return RowAnswer(is_new=True)


def revoke_operator(draft: Draft, command: RevokeOperator) -> RowAnswer:
    """Shut an operator out for good; never the one who asks, so that one is always left."""
    operator = draft.get(Operator.key_of(command.operator_id))
    if operator is None:
        raise Refused(Reason.OPERATOR_NOT_FOUND)
    if command.operator_id == command.caller.caller_id:
        raise Refused(Reason.OPERATOR_IS_CALLER)
    asking = draft.get(Operator.key_of(command.caller.caller_id))
    if asking is not None and asking.is_revoked:  # two revoke each other at the same time
        raise Refused(Reason.CREDENTIALS_INVALID)
    if operator.is_revoked:
        return RowAnswer(is_new=False)
    _shut_out(draft, operator.keys)
    draft.put(msgspec.structs.replace(operator, is_revoked=True, keys=()))
    return RowAnswer(is_new=True)


def create_terminal(draft: Draft, command: CreateTerminal) -> RowAnswer:
    """Add a terminal with a right to enrol."""
    if draft.get(Merchant.key_of(command.merchant_id)) is None:
        raise Refused(Reason.MERCHANT_NOT_FOUND)
    terminal = Terminal(
        partition=DIRECTORY, terminal_id=command.terminal_id, merchant_id=command.merchant_id
    )
    existing = draft.get(terminal.key)
    if existing is not None:
        if existing.merchant_id != terminal.merchant_id:
            raise Refused(Reason.ALREADY_EXISTS_DIFFERENT)
        return RowAnswer(is_new=False)
    draft.put(terminal)
    _put_enrolment(draft, command.code_hash, CallerKind.TERMINAL, command.terminal_id)
    return RowAnswer(is_new=True)


def revoke_terminal(draft: Draft, command: RevokeTerminal) -> RowAnswer:
    """Shut a terminal out, until it is let enrol once more."""
    terminal = _terminal(draft, command.terminal_id)
    if terminal.state is TerminalState.REVOKED:
        return RowAnswer(is_new=False)
    _shut_out(draft, terminal.keys)
    draft.put(msgspec.structs.replace(terminal, state=TerminalState.REVOKED, keys=()))
    return RowAnswer(is_new=True)


def delegate_terminal(draft: Draft, command: DelegateTerminal, now: int) -> RowAnswer:
    """Let another terminal of the same merchant speak for a terminal, or nobody any more."""
    terminal = _terminal(draft, command.terminal_id)
    if command.concentrator_id == terminal.concentrator_id:
        return RowAnswer(is_new=False)
    if command.concentrator_id:
        concentrator = _terminal(draft, command.concentrator_id)
        if concentrator.merchant_id != terminal.merchant_id:
            raise Refused(Reason.TERMINAL_NOT_FOUND)
    draft.put(
        msgspec.structs.replace(
            terminal,
            concentrator_id=command.concentrator_id,
            delegated_at=now if command.concentrator_id else 0,
        )
    )
    return RowAnswer(is_new=True)


def reenrol_terminal(draft: Draft, command: ReenrolTerminal) -> RowAnswer:
    """Shut a terminal's keys out and let it enrol once more.

    One that has not used its code yet, or is of that generation already, stays as it is.
    """
    terminal = _terminal(draft, command.terminal_id)
    if terminal.state is TerminalState.CREATED or terminal.generation >= command.generation:
        return RowAnswer(is_new=False)
    _shut_out(draft, terminal.keys)
    draft.put(
        Terminal(
            partition=DIRECTORY,
            terminal_id=terminal.terminal_id,
            merchant_id=terminal.merchant_id,
            generation=command.generation,
        )
    )
    _put_enrolment(
        draft, command.code_hash, CallerKind.TERMINAL, command.terminal_id, command.generation
    )
    return RowAnswer(is_new=True)


def _allow(
    draft: Draft, owner: _Owner, command: Enrol | RenewCertificate | AdoptKey, now: int
) -> CertificateAnswer:
    """Put a key on the list, and take off it what is over, and the oldest beyond the bound."""
    kind, owner_id = _name_of(owner)
    known = draft.get(Credential.key_of(command.key_hash))
    if known is not None and (known.kind, known.owner_id) != (kind, owner_id):
        raise Refused(Reason.CERTIFICATE_REQUEST_INVALID)  # a key has one owner
    added = CertifiedKey(key_hash=command.key_hash, expires_at=command.expires_at)
    others = [key for key in owner.keys if key.key_hash != added.key_hash]
    kept = [key for key in others if key.expires_at > now][1 - KEYS_MAX :]
    _shut_out(draft, (key for key in others if key not in kept))
    draft.put(
        Credential(
            partition=DIRECTORY,
            key_hash=added.key_hash,
            kind=kind,
            owner_id=owner_id,
            expires_at=added.expires_at,
        )
    )
    draft.put(msgspec.structs.replace(owner, keys=(*kept, added)))
    return CertificateAnswer(
        owner_id=owner_id, certificate_pem=command.certificate_pem, expires_at=added.expires_at
    )


def _may_enrol(owner: _Owner, enrolment: Enrolment) -> bool:
    """Say whether the code is the newest one, and its owner was not revoked since."""
    if isinstance(owner, Terminal):
        is_newest = enrolment.generation == owner.generation
        return is_newest and owner.state is TerminalState.CREATED
    return not owner.is_revoked


def _may_call(owner: _Owner) -> bool:
    """Say whether its keys are to be on the list."""
    if isinstance(owner, Terminal):
        return owner.state is TerminalState.ENROLLED
    return not owner.is_revoked


def _shut_out(draft: Draft, keys: Iterable[CertifiedKey]) -> None:
    for key in keys:
        draft.delete(Credential.key_of(key.key_hash))


def _owner(draft: Draft, kind: CallerKind, owner_id: str) -> _Owner:
    """Return whose key it is; whoever calls or enrols was created before."""
    owner = _find_owner(draft, kind, owner_id)
    assert owner is not None, "a caller exists"
    return owner


def _find_owner(draft: Draft, kind: CallerKind, owner_id: str) -> _Owner | None:
    if kind is CallerKind.TERMINAL:
        return draft.get(Terminal.key_of(owner_id))
    return draft.get(Operator.key_of(owner_id))


def _name_of(owner: _Owner) -> tuple[CallerKind, str]:
    if isinstance(owner, Terminal):
        return CallerKind.TERMINAL, owner.terminal_id
    return CallerKind.OPERATOR, owner.operator_id


def _terminal(draft: Draft, terminal_id: str) -> Terminal:
    terminal = draft.get(Terminal.key_of(terminal_id))
    if terminal is None:
        raise Refused(Reason.TERMINAL_NOT_FOUND)
    return terminal


def _put_enrolment(
    draft: Draft, code_hash: str, kind: CallerKind, owner_id: str, generation: int = 0
) -> None:
    draft.put(
        Enrolment(
            partition=DIRECTORY,
            code_hash=code_hash,
            kind=kind,
            owner_id=owner_id,
            generation=generation,
        )
    )
