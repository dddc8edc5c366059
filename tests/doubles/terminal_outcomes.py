"""What the double of the TerminalService grants, with canned figures."""

from tallymark.v1 import action_pb2, money_pb2
from tallymark.v1 import terminal_service_pb2 as pb

__all__ = ["granted"]


def granted(action: action_pb2.Action, request: pb.ResolveCodeRequest) -> action_pb2.ActionOutcome:
    """Return the outcome of an action, which a process holds."""
    instruction = action_pb2.Instruction()
    match action.WhichOneof("kind"):
        case "charge":
            rest = action.charge.HasField("remainder")
            amount = request.sale_total if rest else action.charge.amount
            instruction.charge.amount.CopyFrom(amount)
            instruction.charge.card_brand = "VISA"
            instruction.charge.card_last_four = "4242"
            instruction.charge.authorisation_code = "A1B2C3"
        case "pay_bill":
            instruction.pay_bill.bill_reference = action.pay_bill.bill_reference or "B-7"
            instruction.pay_bill.amount.CopyFrom(_euros(4500))
            instruction.pay_bill.description = "Water, third quarter"
            instruction.pay_bill.funding = action.pay_bill.funding
        case "admit":
            instruction.admit.event_id = action.admit.event_id
            instruction.admit.event_name = "Summer Concert"
            instruction.admit.ticket_id = "T-1"
            instruction.admit.direction = action.admit.direction
            instruction.admit.place = "Block B, row 4"
        case "read_points":
            instruction.read_points.balance = 420
            instruction.read_points.available = 400
            instruction.read_points.version = 9
        case "earn_points":
            instruction.earn_points.points = action.earn_points.points
            instruction.earn_points.version = 9
        case "burn_points":
            instruction.burn_points.points = action.burn_points.points
            instruction.burn_points.value.CopyFrom(_euros(action.burn_points.points))
            instruction.burn_points.version = 9
    return action_pb2.ActionOutcome(
        action=action, instruction=instruction, settlement=action_pb2.SETTLEMENT_HELD
    )


def _euros(cents: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="EUR", minor_units=cents)
