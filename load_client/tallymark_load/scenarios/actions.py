"""What terminals ask for."""

from tallymark.v1 import action_pb2, money_pb2

__all__ = ["admit", "burn", "charge", "charge_rest", "earn", "euro", "pay_bill", "read_points"]


def euro(minor_units: int) -> money_pb2.Money:
    """Return an amount in EUR."""
    return money_pb2.Money(currency_code="EUR", minor_units=minor_units)


def charge(minor_units: int) -> action_pb2.Action:
    """Charge the card with an amount in EUR."""
    return action_pb2.Action(charge=action_pb2.ChargeAction(amount=euro(minor_units)))


def charge_rest() -> action_pb2.Action:
    """Charge the card with what is left to pay."""
    return action_pb2.Action(charge=action_pb2.ChargeAction(remainder=action_pb2.Remainder()))


def pay_bill(reference: str) -> action_pb2.Action:
    """Pay a bill by the card."""
    action = action_pb2.PayBillAction(bill_reference=reference, funding=action_pb2.FUNDING_CARD)
    return action_pb2.Action(pay_bill=action)


def admit(event_id: str) -> action_pb2.Action:
    """Let the customer in."""
    action = action_pb2.AdmitAction(event_id=event_id, direction=action_pb2.ADMIT_DIRECTION_ENTRY)
    return action_pb2.Action(admit=action)


def read_points() -> action_pb2.Action:
    """Read the balance of points."""
    return action_pb2.Action(read_points=action_pb2.ReadPointsAction())


def earn(points: int) -> action_pb2.Action:
    """Add points."""
    return action_pb2.Action(earn_points=action_pb2.EarnPointsAction(points=points))


def burn(points: int) -> action_pb2.Action:
    """Take points."""
    return action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=points))
