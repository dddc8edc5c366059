"""What the operator keeps: merchants, events, programmes, bills, tickets, points.

Everything has an id chosen by the operator. Creating the same thing again changes nothing; another
thing under an existing id is refused. So lists can be imported again and again.
"""

from typing import Any, Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain import ledger
from tallymark_server.domain.answers import RowAnswer
from tallymark_server.domain.commands import (
    AddBill,
    AddTicket,
    CreateEvent,
    CreateMerchant,
    CreateProgramme,
    GrantPoints,
)
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    PointsProgramme,
)
from tallymark_server.domain.model.people import (
    BillReference,
    Customer,
    Login,
    TicketReference,
)
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft, Key, Row

__all__ = [
    "REGISTRATIONS_MAX",
    "add_bill",
    "add_ticket",
    "create_event",
    "create_merchant",
    "create_programme",
    "grant_points",
]

REGISTRATIONS_MAX: Final = 500
"""Open bills, and tickets, of one customer."""


def create_merchant(draft: Draft, command: CreateMerchant) -> RowAnswer:
    """Add a merchant."""
    programme_id = command.merchant.programme_id
    if programme_id and draft.get(PointsProgramme.key_of(programme_id)) is None:
        raise Refused(Reason.PROGRAMME_NOT_FOUND)
    return _create(draft, command.merchant)


def create_event(draft: Draft, command: CreateEvent) -> RowAnswer:
    """Add an event."""
    if draft.get(Merchant.key_of(command.event.merchant_id)) is None:
        raise Refused(Reason.MERCHANT_NOT_FOUND)
    return _create(draft, command.event)


def create_programme(draft: Draft, command: CreateProgramme) -> RowAnswer:
    """Add a points programme."""
    return _create(draft, command.programme)


def add_bill(draft: Draft, command: AddBill, now: int) -> RowAnswer:
    """Add a bill for a customer."""
    customer = _customer_named(draft, command.login_hash)
    if draft.get(Merchant.key_of(command.bill.merchant_id)) is None:
        raise Refused(Reason.MERCHANT_NOT_FOUND)
    bill = msgspec.structs.replace(
        command.bill, partition=customer.partition, customer_id=customer.customer_id, added_at=now
    )
    existing = draft.get(bill.key)
    if existing is not None:
        same = msgspec.structs.replace(
            bill,
            added_at=existing.added_at,
            state=existing.state,
            process_id=existing.process_id,
        )
        return _unchanged(same, existing)
    _check_room(len(customer.bills), "bills")
    reference = BillReference(merchant_id=bill.merchant_id, bill_reference=bill.bill_reference)
    draft.put(bill)
    draft.put(msgspec.structs.replace(customer, bills=(*customer.bills, reference)))
    return RowAnswer(is_new=True)


def add_ticket(draft: Draft, command: AddTicket, now: int) -> RowAnswer:
    """Add a ticket for a customer."""
    customer = _customer_named(draft, command.login_hash)
    if draft.get(Event.key_of(command.ticket.event_id)) is None:
        raise Refused(Reason.EVENT_NOT_FOUND)
    ticket = msgspec.structs.replace(
        command.ticket, partition=customer.partition, customer_id=customer.customer_id, added_at=now
    )
    existing = draft.get(ticket.key)
    if existing is not None:
        same = msgspec.structs.replace(
            ticket, added_at=existing.added_at, uses=existing.uses, held_by=existing.held_by
        )
        return _unchanged(same, existing)
    _check_room(len(customer.tickets), "tickets")
    reference = TicketReference(event_id=ticket.event_id, ticket_id=ticket.ticket_id)
    draft.put(ticket)
    draft.put(msgspec.structs.replace(customer, tickets=(*customer.tickets, reference)))
    return RowAnswer(is_new=True)


def grant_points(draft: Draft, command: GrantPoints, now: int) -> RowAnswer:
    """Add points to a customer's account, once for each reference."""
    customer = _customer_named(draft, command.login_hash)
    if draft.get(PointsProgramme.key_of(command.grant.programme_id)) is None:
        raise Refused(Reason.PROGRAMME_NOT_FOUND)
    grant = msgspec.structs.replace(
        command.grant,
        partition=customer.partition,
        holder_id=customer.customer_id,
        granted_at=now,
    )
    existing = draft.get(grant.key)
    if existing is not None:
        return _unchanged(msgspec.structs.replace(grant, granted_at=existing.granted_at), existing)
    if grant.programme_id not in customer.programme_ids:
        _check_room(len(customer.programme_ids), "accounts", ledger.PROGRAMMES_MAX)
    draft.put(grant)
    ledger.post(draft, customer, grant.programme_id, grant.points)
    return RowAnswer(is_new=True)


def _create(draft: Draft, row: Row) -> RowAnswer:
    key: Key[Any] = row.key
    existing = draft.get(key)
    if existing is not None:
        return _unchanged(row, existing)
    draft.put(row)
    return RowAnswer(is_new=True)


def _unchanged(row: Row, existing: Row) -> RowAnswer:
    if row != existing:
        raise Refused(Reason.ALREADY_EXISTS_DIFFERENT)
    return RowAnswer(is_new=False)


def _customer_named(draft: Draft, login_hash: str) -> Customer:
    login = draft.get(Login.key_of(login_hash))
    if login is None:
        raise Refused(Reason.CUSTOMER_NOT_FOUND)
    customer = draft.get(Customer.key_of(login.customer_partition, login.customer_id))
    assert customer is not None, "the directory leads to customers"
    return customer


def _check_room(count: int, what: str, limit: int = REGISTRATIONS_MAX) -> None:
    if count >= limit:
        raise Refused(Reason.TOO_MANY_REGISTRATIONS, limit=str(limit), what=what)
