"""Admission: the ticket is held when granted, used on completion, and given back when undone."""

import msgspec

from tallymark_server.domain.actions.refused import ActionRefused
from tallymark_server.domain.frozen import refuse_frozen
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    AdmitGrant,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.merchants import Event, ReentryRule
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.model.registrations import AdmitDirection, Ticket, TicketUse
from tallymark_server.domain.state import Draft, Key

__all__ = [
    "grant",
    "keys_of_asked",
    "keys_of_granted",
    "post",
    "release",
    "undo",
    "why_not",
]


def keys_of_asked(process: Process, customer: Customer, ask: AdmitAsk) -> list[Key[Ticket]]:
    """Return the customer's tickets for the event, or only the one the code was issued for."""
    references = [process.ticket] if process.ticket else customer.tickets
    return [
        Ticket.key_of(customer.partition, reference.event_id, reference.ticket_id)
        for reference in references
        if reference.event_id == ask.event_id
    ]


def keys_of_granted(process: Process, granted: AdmitGrant) -> list[Key[Ticket]]:
    """Return the ticket that was chosen."""
    return [Ticket.key_of(process.partition, granted.event_id, granted.ticket_id)]


def grant(
    draft: Draft, process: Process, customer: Customer, ask: AdmitAsk, now: int
) -> AdmitGrant:
    """Choose the first ticket of the event that lets the customer pass, and hold it."""
    event = draft.get(Event.key_of(ask.event_id))
    if event is None or event.merchant_id != process.merchant_id:
        raise ActionRefused(RefusalReason.EVENT_NOT_FOUND)
    refusal = Refusal(reason=RefusalReason.NO_TICKET)
    keys = keys_of_asked(process, customer, ask)
    draft.fetch(*keys)
    tickets = [ticket for key in keys if (ticket := draft.get(key))]
    for place, ticket in enumerate(tickets):
        why = why_not(ticket, event.reentry_rule, ask.direction, now)
        if why is None:
            if ask.direction is AdmitDirection.ENTRY:
                refuse_frozen(draft, ticket.added_at)
            return _hold(draft, process, event, ticket, ask.direction)
        if place == 0 or why.reason is RefusalReason.ALREADY_ADMITTED:
            refusal = why
    error = ActionRefused(refusal.reason)
    error.refusal = refusal
    raise error


def why_not(
    ticket: Ticket, rule: ReentryRule, direction: AdmitDirection, now: int
) -> Refusal | None:
    """Return why the ticket does not let its holder pass at `now`, or None if it does."""
    if ticket.held_by:
        return Refusal(reason=RefusalReason.TICKET_IN_USE)
    if direction is AdmitDirection.EXIT:
        return None if ticket.is_inside else Refusal(reason=RefusalReason.NOT_INSIDE)
    if now < ticket.valid_from:
        return Refusal(reason=RefusalReason.TICKET_NOT_YET_VALID, valid_from=ticket.valid_from)
    if ticket.valid_until and now >= ticket.valid_until:
        return Refusal(reason=RefusalReason.TICKET_NO_LONGER_VALID, valid_until=ticket.valid_until)
    if _is_free(ticket, rule):
        return None
    first_use = ticket.uses[0] if ticket.uses else None
    if ticket.entries_used >= ticket.entries:
        return Refusal(reason=RefusalReason.ALREADY_ADMITTED, first_use=first_use)
    if rule is ReentryRule.EXIT_BETWEEN and ticket.is_inside:
        return Refusal(reason=RefusalReason.STILL_INSIDE, first_use=first_use)
    return None


def post(draft: Draft, process: Process, granted: AdmitGrant, now: int) -> None:
    """Write the pass into the held ticket."""
    ticket = _ticket(draft, process, granted)
    use = TicketUse(
        used_at=now,
        terminal_id=process.terminal_id,
        direction=granted.direction,
        process_id=process.process_id,
        is_free=granted.is_free,
    )
    draft.put(msgspec.structs.replace(ticket, uses=(*ticket.uses, use), held_by=""))


def release(draft: Draft, process: Process, granted: AdmitGrant) -> None:
    """Let go of the held ticket."""
    draft.put(msgspec.structs.replace(_ticket(draft, process, granted), held_by=""))


def undo(draft: Draft, process: Process, granted: AdmitGrant) -> None:
    """Take the pass out of the ticket again."""
    ticket = _ticket(draft, process, granted)
    uses = tuple(use for use in ticket.uses if use.process_id != process.process_id)
    draft.put(msgspec.structs.replace(ticket, uses=uses))


def _hold(
    draft: Draft, process: Process, event: Event, ticket: Ticket, direction: AdmitDirection
) -> AdmitGrant:
    is_entry = direction is AdmitDirection.ENTRY
    is_free = is_entry and _is_free(ticket, event.reentry_rule)
    draft.put(msgspec.structs.replace(ticket, held_by=process.process_id))
    return AdmitGrant(
        event_id=event.event_id,
        event_name=event.name,
        ticket_id=ticket.ticket_id,
        direction=direction,
        entries_left=ticket.entries - ticket.entries_used - (is_entry and not is_free),
        place=ticket.place,
        is_free=is_free,
    )


def _is_free(ticket: Ticket, rule: ReentryRule) -> bool:
    came_out = bool(ticket.entries_used) and not ticket.is_inside
    return rule is ReentryRule.FREE_AFTER_EXIT and came_out


def _ticket(draft: Draft, process: Process, granted: AdmitGrant) -> Ticket:
    ticket = draft.get(keys_of_granted(process, granted)[0])
    assert ticket is not None, "a granted ticket exists"
    return ticket
