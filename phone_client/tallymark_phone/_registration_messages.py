"""Turn the contract's registrations and codes into values. Only server_connection.py uses this."""

from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import customer_service_pb2, identification_pb2, registration_pb2
from tallymark_phone._process_messages import enum_name, to_money, to_time
from tallymark_phone.registrations import (
    Bill,
    Card,
    Code,
    CodeChoice,
    Device,
    Holdings,
    PointsAccount,
    Purpose,
    Session,
    Ticket,
)

__all__ = [
    "PURPOSES",
    "from_choice",
    "to_card",
    "to_code",
    "to_holdings",
    "to_session",
]

PURPOSES: Final = {
    Purpose.GENERAL: identification_pb2.CODE_PURPOSE_GENERAL,
    Purpose.POINTS: identification_pb2.CODE_PURPOSE_POINTS,
    Purpose.TICKET: identification_pb2.CODE_PURPOSE_TICKET,
}


def from_choice(
    choice: CodeChoice, *, request_id: str, password: str
) -> customer_service_pb2.IssueCodeRequest:
    """Return the request for a code."""
    request = customer_service_pb2.IssueCodeRequest(
        request_id=request_id,
        purpose=PURPOSES[choice.purpose],
        card_id=choice.card_id,
        terminal_tag=choice.terminal_tag,
        password=password,
    )
    if choice.bill:
        request.bill.merchant_id = choice.bill.merchant_id
        request.bill.bill_reference = choice.bill.bill_reference
    if choice.ticket:
        request.ticket.event_id = choice.ticket.event_id
        request.ticket.ticket_id = choice.ticket.ticket_id
    return request


def to_code(message: customer_service_pb2.IssueCodeResponse) -> Code:
    """Return the code."""
    return Code(
        text=message.code,
        issued_at=_time(message.issued_at),
        expires_at=_time(message.expires_at),
        next_at=_time(message.next_at),
        bound_terminal_id=message.bound_terminal_id,
        bound_merchant_name=message.bound_merchant_name,
    )


def to_session(token: str, expires_at: Timestamp) -> Session:
    """Return the session."""
    return Session(token=token, expires_at=_time(expires_at))


def to_card(message: registration_pb2.Card) -> Card:
    """Return the card."""
    return Card(
        card_id=message.card_id,
        brand=message.brand,
        last_four=message.last_four,
        expires_on=message.expires_on,
        is_default=message.is_default,
    )


def to_holdings(message: customer_service_pb2.GetWalletResponse) -> Holdings:
    """Return everything that is registered."""
    return Holdings(
        customer_id=message.customer_id,
        login_name=message.login_name,
        telephone_number=message.telephone_number,
        is_number_verified=message.number_verified,
        cards=tuple(map(to_card, message.cards)),
        bills=tuple(map(_to_bill, message.bills)),
        tickets=tuple(map(_to_ticket, message.tickets)),
        points_accounts=tuple(map(_to_points_account, message.points_accounts)),
        devices=tuple(
            Device(device_id=device.device_id, name=device.name, is_current=device.is_current)
            for device in message.devices
        ),
    )


def _to_bill(message: registration_pb2.Bill) -> Bill:
    return Bill(
        merchant_id=message.merchant_id,
        bill_reference=message.bill_reference,
        amount=to_money(message.amount),
        description=message.description,
        due_on=message.due_on,
        state=enum_name(registration_pb2.BillState.DESCRIPTOR, message.state),
    )


def _to_ticket(message: registration_pb2.Ticket) -> Ticket:
    return Ticket(
        event_id=message.event_id,
        ticket_id=message.ticket_id,
        event_name=message.event_name,
        place=message.place,
        entries=message.entries,
        entries_used=message.entries_used,
        valid_from=to_time(message.valid_from),
        valid_until=to_time(message.valid_until),
    )


def _to_points_account(message: registration_pb2.PointsAccount) -> PointsAccount:
    return PointsAccount(
        programme_id=message.programme_id,
        programme_name=message.programme_name,
        balance=message.balance,
        held=message.held,
        debt=message.debt,
    )


def _time(stamp: Timestamp) -> datetime:
    """Return a time that the contract always sets."""
    return stamp.ToDatetime(tzinfo=UTC)
