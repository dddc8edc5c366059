"""A process that a terminal executed and a restored database has lost, or has as still open.

The terminal gives back the process as the server itself had sealed it, so only its outcome rests on
the terminal's word, as it does in CompleteProcess. What cannot be applied is not hidden: the card
is captured all the same, and a person is told of the rest.
"""

import msgspec

from tallymark_server.domain import ledger
from tallymark_server.domain.actions import charge
from tallymark_server.domain.model.actions import (
    Action,
    AdmitGrant,
    BurnPointsGrant,
    ChargeGrant,
    EarnPointsGrant,
    PayBillGrant,
    ReadPointsAsk,
    Settlement,
)
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Posting, Process, ProcessState
from tallymark_server.domain.model.recovery import SaleReportOutcome
from tallymark_server.domain.model.registrations import (
    AdmitDirection,
    Bill,
    BillState,
    Ticket,
    TicketUse,
)
from tallymark_server.domain.policy import current_policy, is_past_keeping
from tallymark_server.domain.processes.lifecycle import complete, save
from tallymark_server.domain.state import Draft, Key

__all__ = ["apply_reported"]

MAYBE_REMOVED = "it is so old that the server may have had and removed it: the journal tells"

CUSTOMER_LOST = "the customer had registered after the backup; only the card is settled"


def apply_reported(
    draft: Draft, sealed: Process, now: int
) -> tuple[SaleReportOutcome, tuple[str, ...]]:
    """Make the effects of an executed process final; return what became of it, and problems."""
    known = draft.get(Process.key_of(sealed.process_id))
    if known is None and is_past_keeping(sealed.created_at, current_policy(draft), now):
        return SaleReportOutcome.CONTRADICTS, (MAYBE_REMOVED,)
    if known is None:
        return _apply_lost(draft, sealed, now)
    if known.state is ProcessState.COMPLETED:
        return SaleReportOutcome.KNOWN, ()
    if known.is_final:
        problem = f"the server has it as {known.state.name}, the terminal as executed"
        return SaleReportOutcome.CONTRADICTS, (problem,)
    return _complete_open(draft, known, sealed, now)


def _complete_open(
    draft: Draft, known: Process, sealed: Process, now: int
) -> tuple[SaleReportOutcome, tuple[str, ...]]:
    """Complete what the backup has as open: its holds are there, the card is as it was sealed."""
    places = zip(known.actions, sealed.actions, strict=True)
    open_again = msgspec.structs.replace(
        known,
        actions=tuple(
            later if isinstance(later.grant, ChargeGrant) else action for action, later in places
        ),
        is_confirmed=sealed.is_confirmed,
        signed_yes=sealed.signed_yes,
        terminal_view=None,
    )
    save(draft, known, complete(draft, open_again, now))
    if sealed.staged != known.staged:
        return SaleReportOutcome.PARTLY_APPLIED, (
            "the points that the terminal had set are not posted",
        )
    return SaleReportOutcome.APPLIED, ()


def _apply_lost(
    draft: Draft, sealed: Process, now: int
) -> tuple[SaleReportOutcome, tuple[str, ...]]:
    """Put a process in place that the backup does not know, with its effects."""
    draft.fetch(*_keys_of(sealed))
    customer = draft.get(Customer.key_of(sealed.partition, sealed.customer_id))
    problems: list[str] = []
    postings: list[Posting] = []
    if customer is None:
        problems.append(CUSTOMER_LOST)
    else:
        for action in sealed.actions:
            problems += _apply_right(draft, customer, sealed, action, now)
        postings, owed = _post_points(draft, customer, sealed)
        if owed:
            problems.append(f"{owed} points were spent that the account does not have")
    restored = msgspec.structs.replace(
        sealed,
        customer_id=sealed.customer_id if customer else "",
        actions=tuple(_settled(action, now) for action in sealed.actions),
        postings=tuple(postings),
        state=ProcessState.COMPLETED,
        ended_at=sealed.ended_at or now,
        timer_at=0,
        code_text="",  # the code was lost too, and is dead by its epoch
        reversed_by="",
        staged=None,
    )
    save(draft, None, restored)
    outcome = SaleReportOutcome.PARTLY_APPLIED if problems else SaleReportOutcome.APPLIED
    return outcome, tuple(problems)


def _keys_of(process: Process) -> list[Key[Customer] | Key[Bill] | Key[Ticket]]:
    keys: list[Key[Customer] | Key[Bill] | Key[Ticket]] = [
        Customer.key_of(process.partition, process.customer_id)
    ]
    for action in process.actions:
        match action.grant:
            case PayBillGrant(bill_reference=reference):
                keys.append(Bill.key_of(process.partition, process.merchant_id, reference))
            case AdmitGrant(event_id=event_id, ticket_id=ticket_id):
                keys.append(Ticket.key_of(process.partition, event_id, ticket_id))
            case _:
                pass
    return keys


def _apply_right(
    draft: Draft, customer: Customer, process: Process, action: Action, now: int
) -> list[str]:
    """Mark a bill as paid or a ticket as used; return what stands against it."""
    match action.grant:
        case PayBillGrant() as granted:
            return _pay(draft, customer, process, granted)
        case AdmitGrant() as granted:
            return _use(draft, process, granted, process.ended_at or now)
        case _:
            return []


def _pay(draft: Draft, customer: Customer, process: Process, granted: PayBillGrant) -> list[str]:
    name = f"bill {granted.bill_reference}"
    bill = draft.get(Bill.key_of(process.partition, process.merchant_id, granted.bill_reference))
    if bill is None:
        return [f"{name} was added after the backup: do not add it again, it is paid"]
    if bill.state is not BillState.OPEN:
        return [f"{name} is {bill.state.name} by process {bill.process_id}"]
    paid = msgspec.structs.replace(bill, state=BillState.PAID, process_id=process.process_id)
    draft.put(paid)
    current = draft.get(customer.key) or customer
    left = tuple(
        one
        for one in current.bills
        if (one.merchant_id, one.bill_reference) != (bill.merchant_id, bill.bill_reference)
    )
    draft.put(msgspec.structs.replace(current, bills=left))
    return []


def _use(draft: Draft, process: Process, granted: AdmitGrant, used_at: int) -> list[str]:
    name = f"ticket {granted.ticket_id} of {granted.event_id}"
    ticket = draft.get(Ticket.key_of(process.partition, granted.event_id, granted.ticket_id))
    if ticket is None:
        return [f"{name} was added after the backup: add it again with one entry fewer"]
    use = TicketUse(
        used_at=used_at,
        terminal_id=process.terminal_id,
        direction=granted.direction,
        process_id=process.process_id,
        is_free=granted.is_free,
    )
    uses = tuple(sorted((*ticket.uses, use), key=lambda one: one.used_at))
    used = msgspec.structs.replace(ticket, uses=uses)
    draft.put(used)
    is_entry = granted.direction is AdmitDirection.ENTRY
    if is_entry and used.entries_used > used.entries:
        return [f"{name} was used more often than it allows"]
    return []


def _post_points(draft: Draft, customer: Customer, process: Process) -> tuple[list[Posting], int]:
    """Post what the process earned and burned; return also how many points were not there."""
    postings: list[Posting] = []
    owed = 0
    for programme_id, points in _points_of(process):
        if points >= 0:
            postings.append(ledger.post(draft, customer, programme_id, points))
            continue
        posting, missing = ledger.take_back(draft, customer, programme_id, -points)
        postings.append(posting)
        owed += missing
    return postings, owed


def _points_of(process: Process) -> list[tuple[str, int]]:
    if process.postings:  # it had completed by itself
        return [(posting.programme_id, posting.points) for posting in process.postings]
    if process.staged is not None:
        return [(process.staged.programme_id, process.staged.difference)]
    return [
        (granted.programme_id, granted.points * (1 if isinstance(granted, EarnPointsGrant) else -1))
        for granted in (action.grant for action in process.actions)
        if isinstance(granted, EarnPointsGrant | BurnPointsGrant)
    ]


def _settled(action: Action, now: int) -> Action:
    """Return the action as executed; the card is captured under the id that authorised it."""
    if isinstance(action.ask, ReadPointsAsk):
        return action
    if isinstance(action.grant, ChargeGrant):
        return charge.post(action, now)
    return msgspec.structs.replace(action, settlement=Settlement.SETTLED)
