"""The terminal's values as messages of the contract, on their way out; see server_connection.py."""

from tallymark.v1 import action_pb2, identification_pb2, money_pb2, terminal_service_pb2
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
    SaleRequest,
    UnknownAction,
)
from tallymark_terminal.identification import (
    CodeReference,
    Identification,
    LookUpKey,
    ProcessReference,
    ShownCode,
)
from tallymark_terminal.money import Money

__all__ = ["action_message", "reference_message", "resolve_message"]

_FUNDING_NUMBER = {
    Funding.AT_TERMINAL: action_pb2.FUNDING_AT_TERMINAL,
    Funding.CARD: action_pb2.FUNDING_CARD,
    Funding.UNKNOWN: action_pb2.FUNDING_UNSPECIFIED,
}
_DIRECTION_NUMBER = {
    AdmitDirection.ENTRY: action_pb2.ADMIT_DIRECTION_ENTRY,
    AdmitDirection.EXIT: action_pb2.ADMIT_DIRECTION_EXIT,
    AdmitDirection.UNKNOWN: action_pb2.ADMIT_DIRECTION_UNSPECIFIED,
}


def resolve_message(
    *, request_id: str, identification: Identification, request: SaleRequest, wait_milliseconds: int
) -> terminal_service_pb2.ResolveCodeRequest:
    """Return the request that begins a sale; the same values give the same message."""
    match identification:
        case ShownCode(text=text):
            by = identification_pb2.Identification(code=text)
        case _:
            by = _look_up_message(identification)
    return terminal_service_pb2.ResolveCodeRequest(
        request_id=request_id,
        identification=by,
        actions=[action_message(action) for action in request.actions],
        sale_total=_money_message(request.sale_total) if request.sale_total else None,
        complete_on_instruction=request.complete_on_instruction,
        wait_milliseconds=wait_milliseconds,
    )


def reference_message(reference: ProcessReference) -> identification_pb2.ProcessReference:
    """Return what names a process in every later call."""
    if reference.process_id is not None:
        by = identification_pb2.Identification(process_id=reference.process_id)
        return identification_pb2.ProcessReference(identification=by)
    if reference.look_up_key is None or reference.resolve_request_id is None:
        message = "a process is named by its id, or by its request and identification"
        raise ValueError(message)
    return identification_pb2.ProcessReference(
        identification=_look_up_message(reference.look_up_key),
        resolve_request_id=reference.resolve_request_id,
    )


def action_message(action: Action) -> action_pb2.Action:
    """Return one action as the contract has it."""
    match action:
        case Charge(amount=amount):
            charge = (
                action_pb2.ChargeAction(amount=_money_message(amount))
                if amount
                else action_pb2.ChargeAction(remainder=action_pb2.Remainder())
            )
            return action_pb2.Action(charge=charge)
        case PayBill(bill_reference=reference, funding=funding):
            bill = action_pb2.PayBillAction(
                bill_reference=reference, funding=_FUNDING_NUMBER[funding]
            )
            return action_pb2.Action(pay_bill=bill)
        case Admit(event_id=event_id, direction=direction):
            admit = action_pb2.AdmitAction(
                event_id=event_id, direction=_DIRECTION_NUMBER[direction]
            )
            return action_pb2.Action(admit=admit)
        case ReadPoints():
            return action_pb2.Action(read_points=action_pb2.ReadPointsAction())
        case EarnPoints(points=points):
            return action_pb2.Action(earn_points=action_pb2.EarnPointsAction(points=points))
        case BurnPoints(points=points):
            return action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=points))
        case UnknownAction():
            message = "an action that this version does not know cannot be asked for"
            raise ValueError(message)


def _look_up_message(key: LookUpKey) -> identification_pb2.Identification:
    match key:
        case CodeReference():
            reference = identification_pb2.CodeReference(
                partition=key.partition,
                cti_hash=key.cti_hash,
                expires_at_seconds=key.expires_at_seconds,
            )
            return identification_pb2.Identification(code_reference=reference)
        case _:
            return identification_pb2.Identification(telephone_number=key.number)


def _money_message(money: Money) -> money_pb2.Money:
    return money_pb2.Money(currency_code=money.currency_code, minor_units=money.minor_units)
