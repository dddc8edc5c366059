"""What the customer's device must have signed to answer a process, said by the process's row.

The phone builds the same statement from the messages that it was shown. So a signature that fits
here is over exactly what the server is about to do, and over nothing that was shown differently.
"""

from tallymark_protocol.confirmation import (
    ActionKind,
    Amount,
    AnsweredState,
    Confirmation,
    ConfirmedAction,
    Decision,
    Direction,
    Funding,
    Standing,
)
from tallymark_server.domain.model.actions import (
    Action,
    AdmitAsk,
    AdmitGrant,
    Ask,
    BurnPointsAsk,
    BurnPointsGrant,
    ChargeAsk,
    ChargeGrant,
    EarnPointsAsk,
    EarnPointsGrant,
    Grant,
    PayBillAsk,
    PayBillGrant,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.money import Money

__all__ = ["is_answerable", "statement_of"]

_ANSWERABLE = {
    ProcessState.AWAITING_CUSTOMER: AnsweredState.AWAITING_CUSTOMER,
    ProcessState.CONTESTED: AnsweredState.CONTESTED,
}


def is_answerable(process: Process) -> bool:
    """Say whether the process waits for a word of its customer."""
    return process.state in _ANSWERABLE


def statement_of(process: Process, *, approve: bool, digits: str) -> bytes:
    """Return the statement of this answer to an answerable process."""
    return Confirmation(
        decision=Decision.APPROVE if approve else Decision.DECLINE,
        state=_ANSWERABLE[process.state],
        process_id=process.process_id,
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        actions=tuple(_stated(action) for action in process.actions),
        sale_total=_amount(process.sale_total),
        card_total=_amount(process.card_total),
        confirm_by=process.confirm_by,
        digits=digits,
        process_version=process.version,
    ).to_bytes()


def _stated(action: Action) -> ConfirmedAction:
    if action.grant is not None:
        return _granted(action.grant)
    return _asked(action.ask, Standing.REFUSED if action.refusal else Standing.ASKED)


def _asked(ask: Ask, standing: Standing) -> ConfirmedAction:
    match ask:
        case ChargeAsk():
            return ConfirmedAction(
                kind=ActionKind.CHARGE, standing=standing, amount=_amount(ask.amount)
            )
        case PayBillAsk():
            return ConfirmedAction(
                kind=ActionKind.PAY_BILL,
                standing=standing,
                bill_reference=ask.bill_reference,
                funding=Funding[ask.funding.name],
            )
        case AdmitAsk():
            return ConfirmedAction(
                kind=ActionKind.ADMIT,
                standing=standing,
                event_id=ask.event_id,
                direction=Direction[ask.direction.name],
            )
        case EarnPointsAsk():
            return ConfirmedAction(
                kind=ActionKind.EARN_POINTS, standing=standing, points=ask.points
            )
        case BurnPointsAsk():
            return ConfirmedAction(
                kind=ActionKind.BURN_POINTS, standing=standing, points=ask.points
            )
        case _:
            return ConfirmedAction(kind=ActionKind.READ_POINTS, standing=standing)


def _granted(granted: Grant) -> ConfirmedAction:
    standing = Standing.GRANTED
    match granted:
        case ChargeGrant():
            return ConfirmedAction(
                kind=ActionKind.CHARGE, standing=standing, amount=_amount(granted.amount)
            )
        case PayBillGrant():
            return ConfirmedAction(
                kind=ActionKind.PAY_BILL,
                standing=standing,
                amount=_amount(granted.amount),
                bill_reference=granted.bill_reference,
                funding=Funding[granted.funding.name],
            )
        case AdmitGrant():
            return ConfirmedAction(
                kind=ActionKind.ADMIT,
                standing=standing,
                event_id=granted.event_id,
                ticket_id=granted.ticket_id,
                direction=Direction[granted.direction.name],
            )
        case EarnPointsGrant():
            return ConfirmedAction(
                kind=ActionKind.EARN_POINTS,
                standing=standing,
                programme_id=granted.programme_id,
                points=granted.points,
            )
        case BurnPointsGrant():
            return ConfirmedAction(
                kind=ActionKind.BURN_POINTS,
                standing=standing,
                programme_id=granted.programme_id,
                points=granted.points,
                amount=_amount(granted.value),
            )
        case _:
            return ConfirmedAction(
                kind=ActionKind.READ_POINTS, standing=standing, programme_id=granted.programme_id
            )


def _amount(money: Money | None) -> Amount | None:
    if money is None:
        return None
    return Amount(currency_code=money.currency_code, minor_units=money.minor_units)
