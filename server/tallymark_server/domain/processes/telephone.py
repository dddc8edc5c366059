"""ResolveCode by telephone number: the customer answers first, and nothing is held before that.

Nobody may learn from the answer whether a number is known, so the process always waits. What its
terminal may see of it until the customer has said yes is in `terminal_view.py`.
"""

import msgspec

from tallymark_server.domain.answers import ProcessAnswer
from tallymark_server.domain.commands import TelephoneIdentification
from tallymark_server.domain.model.actions import (
    Action,
    BurnPointsAsk,
    ChargeAsk,
    PayBillAsk,
    PayBillGrant,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.people import Customer, NumberOwner
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.policy import current_policy, needs_bound_code
from tallymark_server.domain.processes.lifecycle import await_customer, end, grant, save
from tallymark_server.domain.prompts import may_ask
from tallymark_server.domain.state import Draft

__all__ = ["as_previewed", "resolve_number"]


def resolve_number(
    draft: Draft, process: Process, identification: TelephoneIdentification, now: int
) -> ProcessAnswer:
    """Wait for the customer.

    If the number is unknown, or its owner is being asked already or has a pause, that is to wait
    for nobody. Only what would be refused whoever it was is refused at once.
    """
    owner = draft.get(NumberOwner.key_of(identification.number_hash))
    customer_key = owner and Customer.key_of(owner.customer_partition, owner.customer_id)
    customer = customer_key and draft.get(customer_key)
    unbound = _unbound_charge(current_policy(draft), process)
    if unbound is not None:
        refused = process.with_action(unbound, _not_bound(process.actions[unbound]))
        process = end(draft, refused, ProcessState.DECLINED, RefusalReason.CODE_NOT_BOUND, now)
        return ProcessAnswer(process=save(draft, None, process))
    process = await_customer(process)
    if customer and may_ask(customer, now):
        process = msgspec.structs.replace(process, customer_id=customer.customer_id)
        process = _preview(draft, process)
    return ProcessAnswer(process=save(draft, None, process))


def as_previewed(action: Action) -> Action:
    """Return what was asked for, about the very bill that the customer was shown."""
    ask = action.ask
    if isinstance(ask, PayBillAsk) and isinstance(action.grant, PayBillGrant):
        ask = msgspec.structs.replace(ask, bill_reference=action.grant.bill_reference)
    return Action(ask=ask)


def _unbound_charge(policy: Policy, process: Process) -> int | None:
    """Return the place of a charge that needs a bound code by what the terminal alone says of it.

    What is left after points, which may be less, is known when somebody has been found.
    """
    burns = any(isinstance(action.ask, BurnPointsAsk) for action in process.actions)
    for place, action in enumerate(process.actions):
        if isinstance(action.ask, ChargeAsk):
            amount = action.ask.amount or (None if burns else process.sale_total)
            if amount and needs_bound_code(policy, amount):
                return place
    return None


def _not_bound(action: Action) -> Action:
    return Action(ask=action.ask, refusal=Refusal(reason=RefusalReason.CODE_NOT_BOUND))


def _preview(draft: Draft, process: Process) -> Process:
    """Show the customer what would be done, holding nothing."""
    shown = grant(Draft(draft), process, process.created_at)
    previews = tuple(
        Action(ask=action.ask, grant=action.grant, refusal=action.refusal)
        for action in shown.actions
    )
    return msgspec.structs.replace(shown, actions=previews)
