"""What a customer has registered, gathered in a few loads."""

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.merchants import Event, PointsProgramme
from tallymark_server.domain.model.people import Customer, Device
from tallymark_server.domain.model.registrations import Bill, PointsAccount, Ticket
from tallymark_server.services.registrations_out import (
    bill_message,
    card_message,
    points_account_message,
    ticket_message,
)
from tallymark_server.storage.store import Store

__all__ = ["wallet_message"]


async def wallet_message(
    store: Store, customer: Customer, caller: Caller
) -> contract.GetWalletResponse:
    """Return the customer's wallet as the calling device sees it."""
    at = customer.partition
    device_keys = [Device.key_of(at, device_id) for device_id in customer.device_ids]
    bill_keys = [Bill.key_of(at, one.merchant_id, one.bill_reference) for one in customer.bills]
    ticket_keys = [Ticket.key_of(at, one.event_id, one.ticket_id) for one in customer.tickets]
    event_keys = {Event.key_of(one.event_id) for one in customer.tickets}
    account_keys = [
        PointsAccount.key_of(at, customer.customer_id, one) for one in customer.programme_ids
    ]
    programme_keys = [PointsProgramme.key_of(one) for one in customer.programme_ids]
    rows = await store.load(
        [*device_keys, *bill_keys, *ticket_keys, *event_keys, *account_keys, *programme_keys]
    )
    names = {
        row.text: row.name for row in rows.values() if isinstance(row, Event | PointsProgramme)
    }
    return contract.GetWalletResponse(
        customer_id=customer.customer_id,
        login_name=customer.login_name,
        telephone_number=customer.telephone_number,
        number_verified=customer.number_verified,
        devices=[
            contract.Device(
                device_id=row.device_id,
                name=row.name,
                is_current=row.device_id == caller.device_id,
            )
            for key in device_keys
            if isinstance(row := rows[key], Device)
        ],
        cards=[
            card_message(card, is_default=place == 0) for place, card in enumerate(customer.cards)
        ],
        bills=[bill_message(row) for key in bill_keys if isinstance(row := rows[key], Bill)],
        tickets=[
            ticket_message(row, names.get(row.event_id, ""))
            for key in ticket_keys
            if isinstance(row := rows[key], Ticket)
        ],
        points_accounts=[
            points_account_message(row, names.get(row.programme_id, ""), for_operator=False)
            for key in account_keys
            if isinstance(row := rows[key], PointsAccount)
        ],
    )
