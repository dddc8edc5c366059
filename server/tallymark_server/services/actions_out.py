"""Actions, what was decided about them, and refusals as messages of the contract."""

from tallymark.v1 import (
    action_pb2,
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
    ReadPointsGrant,
    Refusal,
)
from tallymark_server.services.values_out import (
    money_message,
    number_in_contract,
    time_message,
    use_message,
)

__all__ = ["outcome_message", "refusal_message"]


def outcome_message(action: Action, *, with_instruction: bool) -> action_pb2.ActionOutcome:
    """Return an action with what was decided."""
    instruction = None
    if with_instruction and action.grant is not None:
        instruction = _instruction_message(action.grant)
    return action_pb2.ActionOutcome(
        action=_ask_message(action.ask),
        instruction=instruction,
        refusal=refusal_message(action.refusal),
        settlement=number_in_contract(action.settlement),
    )


def refusal_message(refusal: Refusal | None) -> action_pb2.Refusal | None:
    """Return a refusal with what explains it; None for none."""
    if refusal is None:
        return None
    return action_pb2.Refusal(
        reason=number_in_contract(refusal.reason),
        first_use=use_message(refusal.first_use) if refusal.first_use else None,
        bill_references=refusal.bill_references,
        points_available=refusal.points_available,
        valid_from=time_message(refusal.valid_from),
        valid_until=time_message(refusal.valid_until),
    )


def _ask_message(ask: Ask) -> action_pb2.Action:
    match ask:
        case ChargeAsk(amount=None):
            charge = action_pb2.ChargeAction(remainder=action_pb2.Remainder())
            return action_pb2.Action(charge=charge)
        case ChargeAsk():
            charge = action_pb2.ChargeAction(amount=money_message(ask.amount))
            return action_pb2.Action(charge=charge)
        case PayBillAsk():
            pay_bill = action_pb2.PayBillAction(
                bill_reference=ask.bill_reference, funding=number_in_contract(ask.funding)
            )
            return action_pb2.Action(pay_bill=pay_bill)
        case AdmitAsk():
            admit = action_pb2.AdmitAction(
                event_id=ask.event_id, direction=number_in_contract(ask.direction)
            )
            return action_pb2.Action(admit=admit)
        case EarnPointsAsk():
            earn = action_pb2.EarnPointsAction(points=ask.points)
            return action_pb2.Action(earn_points=earn)
        case BurnPointsAsk():
            burn = action_pb2.BurnPointsAction(points=ask.points)
            return action_pb2.Action(burn_points=burn)
        case _:
            return action_pb2.Action(read_points=action_pb2.ReadPointsAction())


def _instruction_message(granted: Grant) -> action_pb2.Instruction:
    match granted:
        case ChargeGrant():
            charge = action_pb2.ChargeInstruction(
                amount=money_message(granted.amount),
                card_brand=granted.card_brand,
                card_last_four=granted.card_last_four,
                authorisation_code=granted.authorisation_code,
            )
            return action_pb2.Instruction(charge=charge)
        case PayBillGrant():
            pay_bill = action_pb2.PayBillInstruction(
                bill_reference=granted.bill_reference,
                amount=money_message(granted.amount),
                description=granted.description,
                due_on=granted.due_on,
                funding=number_in_contract(granted.funding),
            )
            return action_pb2.Instruction(pay_bill=pay_bill)
        case AdmitGrant():
            admit = action_pb2.AdmitInstruction(
                event_id=granted.event_id,
                event_name=granted.event_name,
                ticket_id=granted.ticket_id,
                direction=number_in_contract(granted.direction),
                entries_left=granted.entries_left,
                place=granted.place,
            )
            return action_pb2.Instruction(admit=admit)
        case EarnPointsGrant():
            earn = action_pb2.EarnPointsInstruction(
                programme_id=granted.programme_id,
                points=granted.points,
                balance_before=granted.balance_before,
                version=granted.version,
            )
            return action_pb2.Instruction(earn_points=earn)
        case BurnPointsGrant():
            burn = action_pb2.BurnPointsInstruction(
                programme_id=granted.programme_id,
                points=granted.points,
                value=money_message(granted.value),
                balance_before=granted.balance_before,
                version=granted.version,
            )
            return action_pb2.Instruction(burn_points=burn)
        case ReadPointsGrant():
            read = action_pb2.ReadPointsInstruction(
                programme_id=granted.programme_id,
                balance=granted.balance,
                available=granted.available,
                version=granted.version,
            )
            return action_pb2.Instruction(read_points=read)
