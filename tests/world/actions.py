"""Actions as terminals ask for them."""

from tallymark.v1 import action_pb2
from tests.world.messages import euro

__all__ = ["ADMIT", "CHARGE_REST", "EXIT", "READ_POINTS", "burn", "charge", "earn", "pay_bill"]

CHARGE_REST = action_pb2.Action(charge=action_pb2.ChargeAction(remainder=action_pb2.Remainder()))
ADMIT = action_pb2.Action(
    admit=action_pb2.AdmitAction(event_id="jazz", direction=action_pb2.ADMIT_DIRECTION_ENTRY)
)
EXIT = action_pb2.Action(
    admit=action_pb2.AdmitAction(event_id="jazz", direction=action_pb2.ADMIT_DIRECTION_EXIT)
)
READ_POINTS = action_pb2.Action(read_points=action_pb2.ReadPointsAction())


def charge(minor_units: int) -> action_pb2.Action:
    """Charge an amount in EUR."""
    return action_pb2.Action(charge=action_pb2.ChargeAction(amount=euro(minor_units)))


def pay_bill(
    reference: str = "", funding: action_pb2.Funding.ValueType = action_pb2.FUNDING_AT_TERMINAL
) -> action_pb2.Action:
    """Pay a bill."""
    ask = action_pb2.PayBillAction(bill_reference=reference, funding=funding)
    return action_pb2.Action(pay_bill=ask)


def earn(points: int) -> action_pb2.Action:
    """Add points."""
    return action_pb2.Action(earn_points=action_pb2.EarnPointsAction(points=points))


def burn(points: int) -> action_pb2.Action:
    """Spend points."""
    return action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=points))
