"""Turn the contract's processes into values. Only server_connection.py and its parts use this."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark_phone.processes import (
    Action,
    ActionKind,
    Money,
    Process,
    ProcessState,
    Refusal,
)
from tallymark_protocol.confirmation import Confirmation, Decision
from tallymark_protocol.confirmation_messages import confirmation_of

__all__ = ["enum_name", "to_actions", "to_money", "to_process", "to_time"]


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """Return the value's name without the enum's prefix, "" for the unspecified value.

    A value that a newer server knows and this phone does not is its number.
    """
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return value.name.removeprefix(prefix) if number else ""


def to_time(stamp: Timestamp) -> datetime | None:
    """Return the time in UTC, or None if it is unset."""
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds else None


def to_money(message: money_pb2.Money) -> Money | None:
    """Return the amount, or None if it is unset."""
    if not message.currency_code:
        return None
    return Money(currency_code=message.currency_code, minor_units=message.minor_units)


def to_process(message: process_pb2.Process) -> Process:
    """Return the process."""
    return Process(
        process_id=message.process_id,
        state=_to_state(message.state),
        version=message.version,
        merchant_id=message.merchant_id,
        merchant_name=message.merchant_name,
        terminal_id=message.terminal_id,
        actions=to_actions(message.actions, card_total=to_money(message.card_total)),
        created_at=to_time(message.created_at),
        confirm_by=to_time(message.confirm_by),
        ended_at=to_time(message.ended_at),
        sale_total=to_money(message.sale_total),
        card_total=to_money(message.card_total),
        refusal=_to_refusal(message.refusal),
        is_digits_needed=message.digits_needed,
        is_confirmed_by_customer=message.confirmed_by_customer,
        is_disputed=message.disputed,
        reverses_process_id=message.reverses_process_id,
        reversed_by_process_id=message.reversed_by_process_id,
        points_debt=message.points_debt,
        answer_form=_answer_form(message),
    )


def to_actions(
    outcomes: Iterable[action_pb2.ActionOutcome], *, card_total: Money | None
) -> tuple[Action, ...]:
    """Return the actions; a charge of what is left has the amount that the card pays."""
    return tuple(_to_action(outcome, card_total) for outcome in outcomes)


def _answer_form(message: process_pb2.Process) -> Confirmation | None:
    """Return the no to the process as this message tells it, None if it cannot be answered."""
    try:
        return confirmation_of(message, Decision.DECLINE)
    except ValueError:
        return None


def _to_state(number: process_pb2.ProcessState.ValueType) -> ProcessState:
    name = enum_name(process_pb2.ProcessState.DESCRIPTOR, number)
    return ProcessState(name) if name in ProcessState.__members__ else ProcessState.UNKNOWN


def _to_refusal(message: action_pb2.Refusal) -> Refusal | None:
    if not message.reason:
        return None
    return Refusal(
        reason=enum_name(action_pb2.RefusalReason.DESCRIPTOR, message.reason),
        first_used_at=to_time(message.first_use.used_at),
        first_used_terminal_id=message.first_use.terminal_id,
        bill_references=tuple(message.bill_references),
        points_available=message.points_available,
        valid_from=to_time(message.valid_from),
        valid_until=to_time(message.valid_until),
    )


def _to_action(outcome: action_pb2.ActionOutcome, card_total: Money | None) -> Action:
    """Return what is asked for, overlaid with what was decided where the server says it."""
    if outcome.instruction.WhichOneof("kind"):
        action = _instructed(outcome.instruction)
    else:
        action = _asked_for(outcome.action)
    if action.kind is ActionKind.CHARGE and action.amount is None:
        action = replace(action, amount=card_total)
    return replace(
        action,
        settlement=enum_name(action_pb2.Settlement.DESCRIPTOR, outcome.settlement),
        refusal=_to_refusal(outcome.refusal),
    )


def _asked_for(action: action_pb2.Action) -> Action:
    match action.WhichOneof("kind"):
        case "charge":
            return Action(kind=ActionKind.CHARGE, amount=to_money(action.charge.amount))
        case "pay_bill":
            return Action(
                kind=ActionKind.PAY_BILL,
                reference=action.pay_bill.bill_reference,
                way=enum_name(action_pb2.Funding.DESCRIPTOR, action.pay_bill.funding),
            )
        case "admit":
            return Action(
                kind=ActionKind.ADMIT,
                reference=action.admit.event_id,
                way=_direction(action.admit.direction),
            )
        case "read_points":
            return Action(kind=ActionKind.READ_POINTS)
        case "earn_points":
            return Action(kind=ActionKind.EARN_POINTS, points=action.earn_points.points)
        case "burn_points":
            return Action(kind=ActionKind.BURN_POINTS, points=action.burn_points.points)
        case None:
            return Action(kind=ActionKind.UNKNOWN)


def _instructed(instruction: action_pb2.Instruction) -> Action:
    match instruction.WhichOneof("kind"):
        case "charge":
            charge = instruction.charge
            return Action(
                kind=ActionKind.CHARGE,
                amount=to_money(charge.amount),
                description=f"{charge.card_brand} {charge.card_last_four}".strip(),
            )
        case "pay_bill":
            bill = instruction.pay_bill
            return Action(
                kind=ActionKind.PAY_BILL,
                reference=bill.bill_reference,
                amount=to_money(bill.amount),
                description=bill.description,
                way=enum_name(action_pb2.Funding.DESCRIPTOR, bill.funding),
            )
        case "admit":
            admit = instruction.admit
            return Action(
                kind=ActionKind.ADMIT,
                reference=admit.event_id,
                ticket_id=admit.ticket_id,
                description=", ".join(filter(None, (admit.event_name, admit.place))),
                way=_direction(admit.direction),
            )
        case "read_points":
            points = instruction.read_points
            return Action(
                kind=ActionKind.READ_POINTS, reference=points.programme_id, points=points.balance
            )
        case "earn_points":
            earned = instruction.earn_points
            return Action(
                kind=ActionKind.EARN_POINTS, reference=earned.programme_id, points=earned.points
            )
        case "burn_points":
            burned = instruction.burn_points
            return Action(
                kind=ActionKind.BURN_POINTS,
                reference=burned.programme_id,
                points=burned.points,
                amount=to_money(burned.value),
            )
        case None:
            return Action(kind=ActionKind.UNKNOWN)


def _direction(number: action_pb2.AdmitDirection.ValueType) -> str:
    return enum_name(action_pb2.AdmitDirection.DESCRIPTOR, number)
