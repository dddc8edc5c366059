"""Charging a card: computes the amount, and writes down what the institution is to be told.

It is told outside of the rules, and what it answers comes back as a command.
"""

from typing import Final

import msgspec

from tallymark_server.domain.actions.refused import ActionRefused
from tallymark_server.domain.model.actions import (
    Action,
    Authorisation,
    BurnPointsGrant,
    ChargeAsk,
    ChargeGrant,
    Funding,
    PayBillGrant,
    RefusalReason,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.people import Card, Customer
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.money import Money
from tallymark_server.domain.policy import needs_bound_code

__all__ = ["LOOKS", "grant", "open_task", "post", "release"]

LOOKS: Final = 2
"""How often an authorisation that was reversed unheard is looked up, before it counts as gone."""


def grant(
    policy: Policy, process: Process, customer: Customer, ask: ChargeAsk, place: int
) -> Action:
    """Compute the amount and choose the card; nothing is authorised yet."""
    amount = ask.amount or _remainder(process)
    if needs_bound_code(policy, amount) and not process.is_bound:
        raise ActionRefused(RefusalReason.CODE_NOT_BOUND)
    if amount.minor_units == 0:
        return Action(ask=ask, grant=ChargeGrant(amount=amount))
    card = _choose_card(process, customer)
    return Action(
        ask=ask,
        grant=ChargeGrant(amount=amount, card_brand=card.brand, card_last_four=card.last_four),
        authorisation=Authorisation(
            authorisation_id=f"{process.process_id}-{place}", card_token=card.card_token
        ),
    )


def post(action: Action, now: int) -> Action:
    """Have the authorised amount captured."""
    if action.authorisation is None:
        return msgspec.structs.replace(action, settlement=Settlement.SETTLED)
    captured = msgspec.structs.replace(action, settlement=Settlement.CAPTURE_PENDING)
    return open_task(captured, SettlementTask.CAPTURE, now)


def release(action: Action, now: int) -> Action:
    """Have whatever the institution did reversed.

    An id that it never saw is marked there, so that no late call holds money. Not every institution
    does that, so what was asked for and not answered is looked up afterwards.
    """
    authorisation = action.authorisation
    if authorisation is None or not _was_asked(action):
        return action
    is_unheard = authorisation.task is SettlementTask.AUTHORISE
    released = msgspec.structs.replace(
        action,
        settlement=Settlement.RELEASE_PENDING,
        authorisation=msgspec.structs.replace(authorisation, looks_left=LOOKS if is_unheard else 0),
    )
    return open_task(released, SettlementTask.REVERSE, now)


def open_task(action: Action, task: SettlementTask, due_at: int) -> Action:
    """Write down what the institution is to be told or asked, and when."""
    assert action.authorisation is not None, "only an authorisation has tasks"
    authorisation = msgspec.structs.replace(
        action.authorisation, task=task, due_at=due_at, attempts=0, rejections=0
    )
    return msgspec.structs.replace(action, authorisation=authorisation)


def _was_asked(action: Action) -> bool:
    assert action.authorisation is not None, "the caller has checked it"
    return action.authorisation.task is not None or action.settlement is not Settlement.NONE


def _remainder(process: Process) -> Money:
    """Return sale total + bills on card - burned points, all of one currency."""
    grants = [action.grant for action in process.actions]
    plus = [
        granted.amount
        for granted in grants
        if isinstance(granted, PayBillGrant) and granted.funding is Funding.CARD
    ]
    if process.sale_total is not None:
        plus.append(process.sale_total)
    minus = [
        granted.value
        for granted in grants
        if isinstance(granted, BurnPointsGrant) and granted.value.minor_units
    ]
    currencies = {money.currency_code for money in plus + minus}
    if len(currencies) != 1:
        raise ActionRefused(RefusalReason.CURRENCY_MISMATCH)
    total = sum(money.minor_units for money in plus)
    burned = sum(money.minor_units for money in minus)
    if burned > total:
        raise ActionRefused(RefusalReason.POINTS_EXCEED_TOTAL)
    return Money(currency_code=currencies.pop(), minor_units=total - burned)


def _choose_card(process: Process, customer: Customer) -> Card:
    """Return the card chosen when the code was issued, else the default one."""
    for card in customer.cards:
        if not process.card_id or card.card_id == process.card_id:
            return card
    raise ActionRefused(RefusalReason.NO_CARD)
