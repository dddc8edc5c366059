"""The options of `scan` as a request, checked for what contradicts."""

from typing import NoReturn, TypedDict

import click

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
)
from tallymark_terminal.money import parse_amount

__all__ = ["ScanOptions", "build_request", "fail", "lane_request"]


class ScanOptions(TypedDict):
    """Options of the command."""

    pictures: tuple[str, ...]
    follow: bool
    camera: str | None
    serial: str | None
    wedge: bool
    telephone: str | None
    once: bool
    charge: str | None
    charge_rest: bool
    sale_total: str | None
    currency: str
    bills: tuple[str, ...]
    by_card: bool
    admit: str | None
    is_exit: bool
    read_points: bool
    earn: int | None
    burn: int | None
    set_points: int | None
    complete_on_instruction: bool | None
    is_held: bool


def build_request(options: ScanOptions) -> SaleRequest:
    """Return what the options ask for; raises click.UsageError or NotMoney."""
    actions = _actions(options)
    if not actions:
        fail("say what to do, for example --charge 12.30 or --admit EVENT; see --help")
    total, currency = options["sale_total"], options["currency"]
    if options["charge_rest"] and total is None and not options["bills"]:
        fail("--charge-rest needs --sale-total, or bills with --by-card")
    by_itself = options["complete_on_instruction"]
    if by_itself and any(isinstance(action, Charge | PayBill) for action in actions):
        fail("--complete-on-instruction is for admission and points only")
    if by_itself and (options["is_held"] or options["set_points"] is not None):
        fail("--complete-on-instruction leaves nothing to hold or to set")
    if by_itself is None:
        is_admission = all(isinstance(action, Admit) for action in actions)
        by_itself = is_admission and not options["is_held"]
    return SaleRequest(
        actions=tuple(actions),
        sale_total=parse_amount(total, currency_code=currency) if total is not None else None,
        complete_on_instruction=by_itself,
        set_points=options["set_points"],
        is_held=options["is_held"],
    )


def lane_request(
    *, admit: str | None, is_exit: bool, read_points: bool, earn: int | None, burn: int | None
) -> SaleRequest:
    """Return what every scan of a lane asks for; raises click.UsageError."""
    if is_exit and admit is None:
        fail("--exit is for --admit")
    actions: list[Action] = []
    if burn is not None:
        actions.append(BurnPoints(points=burn))
    if earn is not None:
        actions.append(EarnPoints(points=earn))
    if admit is not None:
        direction = AdmitDirection.EXIT if is_exit else AdmitDirection.ENTRY
        actions.append(Admit(event_id=admit, direction=direction))
    if read_points:
        actions.append(ReadPoints())
    if not actions:
        fail("say what to do, for example --admit EVENT; see --help")
    return SaleRequest(actions=tuple(actions), complete_on_instruction=True)


def _actions(options: ScanOptions) -> list[Action]:
    """Return the actions in the order in which a receipt reads best."""
    actions: list[Action] = []
    if options["burn"] is not None:
        actions.append(BurnPoints(points=options["burn"]))
    actions += _bills_and_charge(options)
    if options["earn"] is not None:
        actions.append(EarnPoints(points=options["earn"]))
    if options["admit"] is not None:
        direction = AdmitDirection.EXIT if options["is_exit"] else AdmitDirection.ENTRY
        actions.append(Admit(event_id=options["admit"], direction=direction))
    elif options["is_exit"]:
        fail("--exit is for --admit")
    # Setting points needs to have read them.
    has_points = any(isinstance(action, BurnPoints | EarnPoints) for action in actions)
    if options["read_points"] or (options["set_points"] is not None and not has_points):
        actions.append(ReadPoints())
    return actions


def _bills_and_charge(options: ScanOptions) -> list[Action]:
    """Return the bills and the charge; bills on the card are charged with the rest."""
    bills = options["bills"]
    if options["by_card"] and not bills:
        fail("--by-card is for --pay-bill")
    funding = Funding.CARD if options["by_card"] else Funding.AT_TERMINAL
    actions: list[Action] = [
        PayBill(bill_reference=reference, funding=funding) for reference in bills
    ]
    is_rest = options["charge_rest"] or options["by_card"]
    if is_rest:
        actions.append(Charge(amount=None))
    if options["charge"] is None:
        return actions
    if is_rest:
        fail("a charge is an amount or the rest: use --charge-rest with --sale-total")
    amount = parse_amount(options["charge"], currency_code=options["currency"])
    if amount.minor_units == 0:
        fail("--charge needs more than zero")
    return [*actions, Charge(amount=amount)]


def fail(message: str) -> NoReturn:
    """Say how the command was used wrongly."""
    raise click.UsageError(message)
