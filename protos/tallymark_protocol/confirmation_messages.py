"""The statement of a confirmation, built from the process that a phone was shown.

The phone signs what this gives, so it takes amounts from nowhere but the message whose amounts it
shows: from the instruction where an action has one, else only what was asked for.
"""

from typing import Literal

from tallymark.v1 import action_pb2, money_pb2, process_pb2
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
from tallymark_protocol.strict_values import one_of
from tallymark_protocol.timestamps import to_milliseconds

__all__ = ["action_of", "confirmation_of", "total_of"]


def confirmation_of(
    process: process_pb2.Process, decision: Decision, digits: str = ""
) -> Confirmation:
    """Return the customer's answer to a process as the phone sees it.

    Raises:
        ValueError: the process waits for no answer, or its actions contradict themselves; or it is
            approved although it is not decided, so that nobody saw what it would do.

    """
    state = process_pb2.ProcessState.Name(process.state).removeprefix("PROCESS_STATE_")
    return Confirmation(
        decision=decision,
        state=one_of(AnsweredState, state),
        process_id=process.process_id,
        merchant_id=process.merchant_id,
        merchant_name=process.merchant_name,
        terminal_id=process.terminal_id,
        actions=tuple(action_of(outcome) for outcome in process.actions),
        sale_total=total_of(process, "sale_total"),
        card_total=total_of(process, "card_total"),
        confirm_by=to_milliseconds(process.confirm_by),
        digits=digits,
        process_version=process.version,
    )


def action_of(outcome: action_pb2.ActionOutcome) -> ConfirmedAction:
    """Return an action as the phone sees it.

    Raises:
        ValueError: what was granted is of another kind than what was asked for, or is no action.

    """
    kind = outcome.action.WhichOneof("kind")
    if not outcome.HasField("instruction"):
        standing = Standing.REFUSED if outcome.HasField("refusal") else Standing.ASKED
        return _asked(outcome.action, standing)
    if outcome.HasField("refusal") or outcome.instruction.WhichOneof("kind") != kind:
        message = "an action is granted and refused at once, or granted as something else"
        raise ValueError(message)
    return _granted(outcome.instruction)


def total_of(
    message: process_pb2.Process | process_pb2.Receipt, name: Literal["sale_total", "card_total"]
) -> Amount | None:
    """Return a total of a process or of its receipt; None when it has none.

    Raises:
        ValueError: it has no currency, or is negative.

    """
    return _amount(getattr(message, name)) if message.HasField(name) else None


def _asked(action: action_pb2.Action, standing: Standing) -> ConfirmedAction:
    match action.WhichOneof("kind"):
        case "charge":
            amount = _amount(action.charge.amount) if action.charge.HasField("amount") else None
            return ConfirmedAction(kind=ActionKind.CHARGE, standing=standing, amount=amount)
        case "pay_bill":
            return ConfirmedAction(
                kind=ActionKind.PAY_BILL,
                standing=standing,
                bill_reference=action.pay_bill.bill_reference,
                funding=_funding(action.pay_bill.funding),
            )
        case "admit":
            return ConfirmedAction(
                kind=ActionKind.ADMIT,
                standing=standing,
                event_id=action.admit.event_id,
                direction=_direction(action.admit.direction),
            )
        case "read_points":
            return ConfirmedAction(kind=ActionKind.READ_POINTS, standing=standing)
        case "earn_points":
            points = action.earn_points.points
            return ConfirmedAction(kind=ActionKind.EARN_POINTS, standing=standing, points=points)
        case "burn_points":
            points = action.burn_points.points
            return ConfirmedAction(kind=ActionKind.BURN_POINTS, standing=standing, points=points)
    message = "an action is of no kind that this program knows"
    raise ValueError(message)


def _granted(told: action_pb2.Instruction) -> ConfirmedAction:
    match told.WhichOneof("kind"):
        case "charge":
            return ConfirmedAction(
                kind=ActionKind.CHARGE,
                standing=Standing.GRANTED,
                amount=_amount(told.charge.amount),
            )
        case "pay_bill":
            return ConfirmedAction(
                kind=ActionKind.PAY_BILL,
                standing=Standing.GRANTED,
                amount=_amount(told.pay_bill.amount),
                bill_reference=told.pay_bill.bill_reference,
                funding=_funding(told.pay_bill.funding),
            )
        case "admit":
            return ConfirmedAction(
                kind=ActionKind.ADMIT,
                standing=Standing.GRANTED,
                event_id=told.admit.event_id,
                ticket_id=told.admit.ticket_id,
                direction=_direction(told.admit.direction),
            )
        case "read_points":
            return ConfirmedAction(
                kind=ActionKind.READ_POINTS,
                standing=Standing.GRANTED,
                programme_id=told.read_points.programme_id,
            )
        case "earn_points":
            return ConfirmedAction(
                kind=ActionKind.EARN_POINTS,
                standing=Standing.GRANTED,
                programme_id=told.earn_points.programme_id,
                points=told.earn_points.points,
            )
        case "burn_points":
            return ConfirmedAction(
                kind=ActionKind.BURN_POINTS,
                standing=Standing.GRANTED,
                programme_id=told.burn_points.programme_id,
                points=told.burn_points.points,
                amount=_amount(told.burn_points.value),
            )
    message = "an instruction is of no kind that this program knows"
    raise ValueError(message)


def _funding(funding: "action_pb2.Funding.ValueType") -> Funding:
    return one_of(Funding, action_pb2.Funding.Name(funding).removeprefix("FUNDING_"))


def _direction(direction: "action_pb2.AdmitDirection.ValueType") -> Direction:
    name = action_pb2.AdmitDirection.Name(direction)
    return one_of(Direction, name.removeprefix("ADMIT_DIRECTION_"))


def _amount(money: money_pb2.Money) -> Amount:
    return Amount(currency_code=money.currency_code, minor_units=money.minor_units)
