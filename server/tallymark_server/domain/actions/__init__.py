"""The six kinds of action behind one set of verbs: grant all or none, post, release, undo."""

from typing import Any, NamedTuple

import msgspec

from tallymark_server.domain import ledger
from tallymark_server.domain.actions import admit, charge, pay_bill, points
from tallymark_server.domain.actions.refused import ActionRefused
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
    ReadPointsAsk,
    RefusalReason,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import CodePurpose, Posting, Process
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.domain.policy import current_policy
from tallymark_server.domain.state import Draft, Key

__all__ = ["Undone", "grant_all", "post_all", "release_all", "undo_all"]

_HOLDING = (PayBillGrant, AdmitGrant, BurnPointsGrant)

_COVERED_BY_POINTS_CODE = (ReadPointsAsk, EarnPointsAsk, BurnPointsAsk)


def grant_all(draft: Draft, process: Process, now: int) -> Process:
    """Decide every action and place its holds.

    If one is refused, no hold remains and the refusals tell why. The charge comes last, because its
    remainder depends on the others.
    """
    draft.fetch(*_keys_of_asked(draft, process))
    trial = Draft(draft)
    order = sorted(
        range(len(process.actions)), key=lambda i: isinstance(process.actions[i].ask, ChargeAsk)
    )
    decided = process
    for place in order:
        action = _grant_one(trial, decided, place, now)
        decided = decided.with_action(place, action)
    if any(action.refusal for action in decided.actions):
        return msgspec.structs.replace(decided, actions=tuple(map(_without_grant, decided.actions)))
    draft.absorb(trial)
    return decided


def post_all(draft: Draft, process: Process, now: int) -> Process:
    """Make every effect final: bills paid, tickets used, points posted, the card captured."""
    draft.fetch(*_keys_of_granted(process))
    postings: list[Posting] = []
    actions = []
    for action in process.actions:
        posted, posting = _post_one(draft, process, action, now)
        actions.append(posted)
        postings += [posting] if posting else []
    if process.staged is not None:
        postings.append(_post_staged(draft, process))
    return msgspec.structs.replace(process, actions=tuple(actions), postings=tuple(postings))


def release_all(draft: Draft, process: Process, now: int) -> Process:
    """Let go of every hold; the process does nothing."""
    draft.fetch(*_keys_of_granted(process))
    if process.staged is not None and process.staged.held:
        account = ledger.account_of(draft, _customer(draft, process), process.staged.programme_id)
        ledger.change_hold(draft, account, -process.staged.held)
    actions = tuple(_release_one(draft, process, action, now) for action in process.actions)
    return msgspec.structs.replace(process, actions=actions)


class Undone(NamedTuple):
    """What undoing a completed process did.

    `actions` and `postings` are the reversal's; `debt` is the number of points that stay owed.
    """

    original: Process
    actions: tuple[Action, ...]
    postings: tuple[Posting, ...]
    debt: int


def undo_all(draft: Draft, original: Process, now: int) -> Undone:
    """Take back every effect of a completed process. The reversal carries the task for the card."""
    draft.fetch(*_keys_of_granted(original))
    postings: list[Posting] = []
    undone = []
    kept = []
    debt = 0
    for action in original.actions:
        kept_action, reverse = _undo_card(action, now)
        kept.append(kept_action)
        undone.append(reverse)
        granted = action.grant
        if isinstance(granted, PayBillGrant):
            pay_bill.undo(draft, original, _customer(draft, original), granted)
        elif isinstance(granted, AdmitGrant):
            admit.undo(draft, original, granted)
    burned_first = sorted(original.postings, key=lambda posting: posting.points)
    for posting in burned_first:  # so that points which come back count before any are missing
        back, owed = _undo_posting(draft, original, posting)
        postings.append(back)
        debt += owed
    original = msgspec.structs.replace(original, actions=tuple(kept))
    return Undone(original, tuple(undone), tuple(postings), debt)


def _keys_of_asked(draft: Draft, process: Process) -> list[Key[Any]]:
    """Return all rows that the actions may be about, so that they are loaded together."""
    customer = _customer(draft, process)
    keys: list[Key[Any]] = [Recovery.key_of_newest()]
    for action in process.actions:
        match action.ask:
            case ChargeAsk():
                keys.append(Policy.key_of_current())
            case PayBillAsk() as ask:
                keys += pay_bill.keys_of_asked(process, customer, ask)
            case AdmitAsk() as ask:
                keys += admit.keys_of_asked(process, customer, ask)
            case EarnPointsAsk() | BurnPointsAsk() | ReadPointsAsk() if process.programme_id:
                owner = customer.customer_id
                keys += ledger.keys_of(process.partition, owner, process.programme_id)
            case _:
                pass
    return keys


def _keys_of_granted(process: Process) -> list[Key[Any]]:
    """Return the customer and all rows that the grants are about."""
    if not process.customer_id:
        return []
    keys: list[Key[Any]] = [Customer.key_of(process.partition, process.customer_id)]
    for action in process.actions:
        match action.grant:
            case PayBillGrant() as granted:
                keys += pay_bill.keys_of_granted(process, granted)
            case AdmitGrant() as granted:
                keys += admit.keys_of_granted(process, granted)
            case EarnPointsGrant() | BurnPointsGrant() as granted:
                owner = process.customer_id
                keys += ledger.keys_of(process.partition, owner, granted.programme_id)
            case _:
                pass
    return keys


def _grant_one(trial: Draft, process: Process, place: int, now: int) -> Action:
    action = process.actions[place]
    customer = _customer(trial, process)
    try:
        _check_purpose(process, action.ask)
        if isinstance(action.ask, ChargeAsk):
            return charge.grant(current_policy(trial), process, customer, action.ask, place)
        granted = _grant_held(trial, process, customer, action.ask, now)
    except ActionRefused as no:
        return msgspec.structs.replace(action, refusal=no.refusal)
    settlement = Settlement.HELD if isinstance(granted, _HOLDING) else Settlement.NONE
    return msgspec.structs.replace(action, grant=granted, settlement=settlement)


def _grant_held(draft: Draft, process: Process, customer: Customer, ask: Ask, now: int) -> Grant:
    match ask:
        case PayBillAsk():
            return pay_bill.grant(draft, process, customer, ask)
        case AdmitAsk():
            return admit.grant(draft, process, customer, ask, now)
        case EarnPointsAsk():
            return points.grant_earn(draft, process, customer, ask)
        case BurnPointsAsk():
            return points.grant_burn(draft, process, customer, ask)
        case _:
            return points.grant_read(draft, process, customer)


def _check_purpose(process: Process, ask: Ask) -> None:
    covered = {
        CodePurpose.GENERAL: True,
        CodePurpose.POINTS: isinstance(ask, _COVERED_BY_POINTS_CODE),
        CodePurpose.TICKET: isinstance(ask, AdmitAsk),
    }
    if not covered[process.purpose]:
        raise ActionRefused(RefusalReason.PURPOSE_NOT_ALLOWED)


def _post_one(
    draft: Draft, process: Process, action: Action, now: int
) -> tuple[Action, Posting | None]:
    posting = None
    match action.grant:
        case ChargeGrant():
            return charge.post(action, now), None
        case PayBillGrant() as granted:
            pay_bill.post(draft, process, _customer(draft, process), granted)
        case AdmitGrant() as granted:
            admit.post(draft, process, granted, now)
        case BurnPointsGrant() as granted if process.staged is None:
            posting = points.post_burn(draft, _customer(draft, process), granted)
        case EarnPointsGrant() as granted if process.staged is None:
            posting = points.post_earn(draft, _customer(draft, process), granted)
        case BurnPointsGrant() as granted:
            points.release_burn(draft, _customer(draft, process), granted)
        case _:
            pass
    if isinstance(action.ask, ReadPointsAsk):
        return action, None
    return msgspec.structs.replace(action, settlement=Settlement.SETTLED), posting


def _post_staged(draft: Draft, process: Process) -> Posting:
    staged = process.staged
    assert staged is not None, "the caller has checked it"
    customer = _customer(draft, process)
    if staged.held:
        account = ledger.account_of(draft, customer, staged.programme_id)
        ledger.change_hold(draft, account, -staged.held)
    return ledger.post(draft, customer, staged.programme_id, staged.difference)


def _release_one(draft: Draft, process: Process, action: Action, now: int) -> Action:
    if isinstance(action.grant, ChargeGrant):
        return charge.release(action, now)
    if action.settlement is not Settlement.HELD:
        return action
    granted = action.grant
    if isinstance(granted, PayBillGrant):
        pay_bill.release(draft, process, granted)
    elif isinstance(granted, AdmitGrant):
        admit.release(draft, process, granted)
    else:
        assert isinstance(granted, BurnPointsGrant), "nothing else is held"
        points.release_burn(draft, _customer(draft, process), granted)
    return msgspec.structs.replace(action, settlement=Settlement.RELEASED)


def _undo_card(action: Action, now: int) -> tuple[Action, Action]:
    """Return the original action without an open capture, and the reversal's action."""
    reverse = Action(ask=action.ask, grant=action.grant, settlement=Settlement.SETTLED)
    if isinstance(action.ask, ReadPointsAsk):
        return action, msgspec.structs.replace(reverse, settlement=Settlement.NONE)
    if action.authorisation is None:
        return action, reverse
    pending = msgspec.structs.replace(
        reverse, settlement=Settlement.RELEASE_PENDING, authorisation=action.authorisation
    )
    done = msgspec.structs.replace(action.authorisation, task=None, due_at=0)
    settlement = action.settlement
    if settlement is Settlement.CAPTURE_PENDING:
        settlement = Settlement.RELEASED
    original = msgspec.structs.replace(action, authorisation=done, settlement=settlement)
    return original, charge.open_task(pending, SettlementTask.REVERSE, now)


def _undo_posting(draft: Draft, process: Process, posting: Posting) -> tuple[Posting, int]:
    customer = _customer(draft, process)
    if posting.points > 0:
        return ledger.take_back(draft, customer, posting.programme_id, posting.points)
    return ledger.post(draft, customer, posting.programme_id, -posting.points), 0


def _without_grant(action: Action) -> Action:
    """Return the action as it stands when the process is refused: no grant, nothing held."""
    return Action(ask=action.ask, refusal=action.refusal)


def _customer(draft: Draft, process: Process) -> Customer:
    """Return the customer as the draft has it now: an action before may have changed the row."""
    customer = draft.get(Customer.key_of(process.partition, process.customer_id))
    assert customer is not None, "a process with actions to decide has a customer"
    return customer
