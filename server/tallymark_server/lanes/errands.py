"""One errand at the credit institution: what is told or asked there, and what came of it.

Each ends in the command that records it, also when nobody knows what became of the call.
"""

from collections.abc import Awaitable
from typing import Final, Generic, NamedTuple, TypeVar

from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    InstitutionDisagrees,
    InstitutionSilent,
    ReversalResult,
)
from tallymark_server.domain.commands import (
    Caller,
    Command,
    RecordAuthorisation,
    RecordRecheck,
    RecordSettlement,
)
from tallymark_server.domain.model.actions import Action, ChargeGrant, SettlementTask
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.processes import Due, Process
from tallymark_server.institution import CreditInstitution

__all__ = ["COMPLETER", "SOFT_SECONDS", "run_errand"]

SOFT_SECONDS: Final = 30.0
"""Longest wait for one call of the institution; after it the outcome is looked up instead."""

COMPLETER: Final = Caller(kind=CallerKind.SERVER, caller_id="completer")

AnswerT = TypeVar("AnswerT")


class _Heard(NamedTuple, Generic[AnswerT]):
    """An answer, or None and how the institution was silent."""

    answer: AnswerT | None
    silence: str = ""
    is_rejected: bool = False


async def run_errand(
    institution: CreditInstitution, process: Process, row: Due, *, serving_since: int
) -> Command | None:
    """Do what is due for an action of the process, and return the command that records it.

    None if it was done meanwhile: what is open now has a row of its own.
    """
    action = process.actions[row.action]
    authorisation = action.authorisation
    if authorisation is None or authorisation.due_at != row.due_at:
        return None
    match authorisation.task:
        case SettlementTask.AUTHORISE:
            authorised = await _hear(_authorise(institution, process, action))
            result = authorised.answer.result if authorised.answer else None
            return RecordAuthorisation(
                caller=COMPLETER,
                partition=row.partition,
                process_id=row.process_id,
                action=row.action,
                attempt=authorisation.attempts,
                result=result,
                said=_said(authorised.answer) or authorised.silence,
            )
        case SettlementTask.RECHECK:
            looked_up = await _hear(
                institution.find(authorisation.authorisation_id, deadline_seconds=SOFT_SECONDS)
            )
            return RecordRecheck(
                caller=COMPLETER,
                partition=row.partition,
                process_id=row.process_id,
                action=row.action,
                attempt=authorisation.attempts,
                lookup=looked_up.answer,
                serving_since=serving_since,
                said=looked_up.answer.state if looked_up.answer else looked_up.silence,
                is_rejected=looked_up.is_rejected,
            )
        case _:
            settled = await _hear(_settle(institution, process, action))
            return RecordSettlement(
                caller=COMPLETER,
                partition=row.partition,
                process_id=row.process_id,
                action=row.action,
                attempt=authorisation.attempts,
                result=settled.answer,
                said=settled.answer or settled.silence,
                is_rejected=settled.is_rejected,
            )


async def _hear(call: Awaitable[AnswerT]) -> _Heard[AnswerT]:
    try:
        return _Heard(await call)
    except InstitutionDisagrees as rejection:
        return _Heard(None, str(rejection), is_rejected=True)
    except InstitutionSilent as silence:
        return _Heard(None, str(silence))


async def _authorise(
    institution: CreditInstitution, process: Process, action: Action
) -> AuthorisationLookup:
    """Ask for the amount; after a first try it is looked up before it is asked for again."""
    granted, authorisation = action.grant, action.authorisation
    assert authorisation is not None, "the caller has checked it"
    assert isinstance(granted, ChargeGrant), "only charges are authorised"
    identifier = authorisation.authorisation_id
    if authorisation.attempts:
        lookup = await institution.find(
            identifier,
            currency_code=granted.amount.currency_code,
            deadline_seconds=SOFT_SECONDS,
        )
        if lookup.state is AuthorisationState.REVERSED:
            reversed_before = AuthorisationResult(answer=AuthorisationAnswer.REVERSED_BEFORE)
            return AuthorisationLookup(state=lookup.state, result=reversed_before)
        if lookup.state is not AuthorisationState.NEVER_SEEN:
            return lookup
    result = await institution.authorise(
        identifier,
        card_token=authorisation.card_token,
        currency_code=granted.amount.currency_code,
        minor_units=granted.amount.minor_units,
        merchant_id=process.merchant_id,
        terminal_id=process.terminal_id,
        deadline_seconds=SOFT_SECONDS,
    )
    return AuthorisationLookup(state=AuthorisationState.DECIDED, result=result)


async def _settle(
    institution: CreditInstitution, process: Process, action: Action
) -> CaptureResult | ReversalResult:
    """Take the amount, or give it back."""
    authorisation = action.authorisation
    assert authorisation is not None, "the caller has checked it"
    identifier = authorisation.authorisation_id
    if authorisation.task is SettlementTask.CAPTURE:
        return await institution.capture(identifier, deadline_seconds=SOFT_SECONDS)
    note = "reversed" if process.reverses else process.state.name.lower()
    return await institution.reverse(identifier, note=note, deadline_seconds=SOFT_SECONDS)


def _said(lookup: AuthorisationLookup | None) -> str:
    """Return the answer in a word, or where the authorisation stands."""
    if lookup is None:
        return ""
    return lookup.result.answer if lookup.result else lookup.state
