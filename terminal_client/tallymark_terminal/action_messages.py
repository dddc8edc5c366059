"""Actions with their instructions and refusals, from the contract's messages to values."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from google.protobuf import timestamp_pb2

from tallymark.v1 import action_pb2, money_pb2
from tallymark_terminal.actions import (
    Action,
    Admit,
    AdmitDirection,
    BurnPoints,
    Charge,
    EarnPoints,
    Funding,
    PayBill,
    ReadPoints,
    UnknownAction,
)
from tallymark_terminal.instructions import (
    AdmitInstruction,
    BurnPointsInstruction,
    ChargeInstruction,
    EarnPointsInstruction,
    Instruction,
    PayBillInstruction,
    ReadPointsInstruction,
)
from tallymark_terminal.money import Money
from tallymark_terminal.processes import (
    ActionOutcome,
    Refusal,
    RefusalReason,
    Settlement,
    TicketUse,
)

__all__ = ["money_value", "named", "outcome_value", "refusal_value", "time_value"]

_CAPITAL_INSIDE: Final = re.compile("(?<!^)(?=[A-Z])")

Value = TypeVar("Value", bound=StrEnum)
Number_contra = TypeVar("Number_contra", bound=int, contravariant=True)


class Names(Protocol[Number_contra]):
    """Part of a generated enumeration: the name of a number."""

    def Name(self, number: Number_contra) -> str:  # noqa: N802 - protobuf's name
        """Return it, or raise ValueError."""


def outcome_value(message: action_pb2.ActionOutcome) -> ActionOutcome:
    """Return an action with what was decided about it."""
    return ActionOutcome(
        action=_action_value(message.action),
        instruction=_instruction_value(message.instruction),
        refusal=refusal_value(message.refusal) if message.HasField("refusal") else None,
        settlement=named(Settlement, action_pb2.Settlement, message.settlement),
    )


def _action_value(message: action_pb2.Action) -> Action:
    match message.WhichOneof("kind"):
        case "charge":
            return Charge(amount=money_value(message.charge.amount))
        case "pay_bill":
            return PayBill(
                bill_reference=message.pay_bill.bill_reference,
                funding=named(Funding, action_pb2.Funding, message.pay_bill.funding),
            )
        case "admit":
            return Admit(
                event_id=message.admit.event_id, direction=_direction(message.admit.direction)
            )
        case "read_points":
            return ReadPoints()
        case "earn_points":
            return EarnPoints(points=message.earn_points.points)
        case "burn_points":
            return BurnPoints(points=message.burn_points.points)
    return UnknownAction()


def _instruction_value(
    message: action_pb2.Instruction,
) -> Instruction | None:
    match message.WhichOneof("kind"):
        case "charge":
            return ChargeInstruction(
                amount=money_value(message.charge.amount),
                card_brand=message.charge.card_brand,
                card_last_four=message.charge.card_last_four,
                authorisation_code=message.charge.authorisation_code,
            )
        case "pay_bill":
            return PayBillInstruction(
                bill_reference=message.pay_bill.bill_reference,
                amount=money_value(message.pay_bill.amount),
                description=message.pay_bill.description,
                due_on=message.pay_bill.due_on,
                funding=named(Funding, action_pb2.Funding, message.pay_bill.funding),
            )
        case "admit":
            return _admit_value(message.admit)
        case "read_points":
            return ReadPointsInstruction(
                programme_id=message.read_points.programme_id,
                balance=message.read_points.balance,
                available=message.read_points.available,
                version=message.read_points.version,
            )
        case "earn_points":
            return EarnPointsInstruction(
                programme_id=message.earn_points.programme_id,
                points=message.earn_points.points,
                balance_before=message.earn_points.balance_before,
                version=message.earn_points.version,
            )
        case "burn_points":
            return BurnPointsInstruction(
                programme_id=message.burn_points.programme_id,
                points=message.burn_points.points,
                value=money_value(message.burn_points.value),
                balance_before=message.burn_points.balance_before,
                version=message.burn_points.version,
            )
    return None


def _admit_value(message: action_pb2.AdmitInstruction) -> AdmitInstruction:
    return AdmitInstruction(
        event_id=message.event_id,
        event_name=message.event_name,
        ticket_id=message.ticket_id,
        direction=_direction(message.direction),
        entries_left=message.entries_left,
        place=message.place,
    )


def refusal_value(message: action_pb2.Refusal) -> Refusal:
    """Return why something was refused."""
    use = message.first_use
    return Refusal(
        reason=named(RefusalReason, action_pb2.RefusalReason, message.reason),
        first_use=TicketUse(
            used_at=time_value(use.used_at),
            terminal_id=use.terminal_id,
            direction=_direction(use.direction),
        )
        if message.HasField("first_use")
        else None,
        bill_references=tuple(message.bill_references),
        points_available=message.points_available,
        valid_from=time_value(message.valid_from),
        valid_until=time_value(message.valid_until),
    )


def _direction(number: action_pb2.AdmitDirection.ValueType) -> AdmitDirection:
    return named(AdmitDirection, action_pb2.AdmitDirection, number)


def money_value(message: money_pb2.Money) -> Money | None:
    """Return the amount; an unset one has no currency."""
    if not message.currency_code:
        return None
    return Money(currency_code=message.currency_code, minor_units=message.minor_units)


def time_value(message: timestamp_pb2.Timestamp) -> datetime | None:
    """Return the time; an unset one is 1970, when nothing of ours happened."""
    if not message.seconds:
        return None
    return message.ToDatetime(tzinfo=UTC)


def named(kind: type[Value], names: Names[Number_contra], number: Number_contra) -> Value:
    """Return the value with the name that the contract gives the number, without its prefix.

    Unspecified numbers, and those of a newer contract, are UNKNOWN.
    """
    prefix = _CAPITAL_INSIDE.sub("_", kind.__name__).upper() + "_"
    try:
        name = names.Name(number).removeprefix(prefix)
    except ValueError:
        name = "UNKNOWN"
    return kind.__members__.get(name, kind["UNKNOWN"])
