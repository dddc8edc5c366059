"""Customers: registration, devices and sessions, cards."""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import (
    CardAnswer,
    Done,
    SessionAnswer,
)
from tallymark_server.domain.codes import revoke_live_codes
from tallymark_server.domain.commands import (
    AddDevice,
    Command,
    OpenSession,
    RegisterCard,
    RegisterCustomer,
    RemoveCard,
    RemoveDevice,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.people import (
    Customer,
    Device,
    Login,
    Session,
)
from tallymark_server.domain.policy import current_policy
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = [
    "CARDS_MAX",
    "DEVICES_MAX",
    "add_device",
    "customer_of",
    "open_session",
    "register_card",
    "register_customer",
    "remove_card",
    "remove_device",
]

CARDS_MAX: Final = 20
DEVICES_MAX: Final = 10
SESSIONS_MAX: Final = 5
"""Open sessions of one device; beyond them the oldest one ends."""


def register_customer(draft: Draft, command: RegisterCustomer, now: int) -> SessionAnswer:
    """Add a customer with a first device, signed in."""
    if draft.get(Login.key_of(command.login_hash)) is not None:
        raise Refused(Reason.LOGIN_NAME_TAKEN)
    draft.put(
        Login(
            partition=DIRECTORY,
            login_hash=command.login_hash,
            customer_id=command.customer_id,
            customer_partition=command.partition,
        )
    )
    customer = Customer(
        partition=command.partition,
        customer_id=command.customer_id,
        login_name=command.login_name,
        password_hash=command.password_hash,
        registered_at=now,
        telephone_number=command.telephone_number,
        number_code=command.number_code,
    )
    return _sign_in_new_device(draft, command, customer, now)


def open_session(draft: Draft, command: OpenSession, now: int) -> SessionAnswer:
    """Sign a known device in."""
    device = draft.get(Device.key_of(command.partition, command.device_id))
    if device is None or device.removed or device.customer_id != command.customer_id:
        raise Refused(Reason.PASSWORD_WRONG)
    return _open(draft, device, command.token_hash, now)


def add_device(draft: Draft, command: AddDevice, now: int) -> SessionAnswer:
    """Add a device and sign it in."""
    customer = draft.get(Customer.key_of(command.partition, command.customer_id))
    assert customer is not None, "the password was checked against this customer"
    if len(customer.device_ids) >= DEVICES_MAX:
        raise Refused(Reason.TOO_MANY_REGISTRATIONS, limit=str(DEVICES_MAX), what="devices")
    return _sign_in_new_device(draft, command, customer, now)


def remove_device(draft: Draft, command: RemoveDevice) -> Done:
    """End a device's sessions and revoke its codes."""
    customer = customer_of(draft, command)
    if command.device_id not in customer.device_ids:
        raise Refused(Reason.DEVICE_NOT_FOUND)
    device = draft.get(Device.key_of(command.partition, command.device_id))
    assert device is not None, "a customer's device exists"
    for token_hash in device.session_texts:
        draft.delete(Session.key_of(token_hash))
    count = revoke_live_codes(draft, device, None)
    device = draft.get(device.key) or device
    draft.put(msgspec.structs.replace(device, removed=True, session_texts=()))
    left = tuple(one for one in customer.device_ids if one != command.device_id)
    draft.put(msgspec.structs.replace(customer, device_ids=left))
    return Done(count=count)


def register_card(draft: Draft, command: RegisterCard) -> CardAnswer:
    """Keep a card; the first one, or one that is wanted as default, stands first."""
    customer = customer_of(draft, command)
    if len(customer.cards) >= CARDS_MAX:
        raise Refused(Reason.TOO_MANY_REGISTRATIONS, limit=str(CARDS_MAX), what="cards")
    is_default = command.make_default or not customer.cards
    cards = (command.card, *customer.cards) if is_default else (*customer.cards, command.card)
    draft.put(msgspec.structs.replace(customer, cards=cards))
    return CardAnswer(card=command.card, is_default=is_default)


def remove_card(draft: Draft, command: RemoveCard) -> Done:
    """Forget a card; the next one becomes the default."""
    customer = customer_of(draft, command)
    left = tuple(card for card in customer.cards if card.card_id != command.card_id)
    if len(left) == len(customer.cards):
        raise Refused(Reason.CARD_NOT_FOUND)
    draft.put(msgspec.structs.replace(customer, cards=left))
    return Done()


def customer_of(draft: Draft, command: Command) -> Customer:
    """Return the calling customer."""
    customer = draft.get(Customer.key_of(command.partition, command.caller.caller_id))
    assert customer is not None, "a signed-in customer exists"
    return customer


def _sign_in_new_device(
    draft: Draft, command: RegisterCustomer | AddDevice, customer: Customer, now: int
) -> SessionAnswer:
    device = Device(
        partition=command.partition,
        device_id=command.device_id,
        customer_id=customer.customer_id,
        name=command.device_name,
    )
    device_ids = (*customer.device_ids, device.device_id)
    draft.put(msgspec.structs.replace(customer, device_ids=device_ids))
    answer = _open(draft, device, command.token_hash, now)
    return msgspec.structs.replace(answer, number_code_sent=bool(customer.number_code))


def _open(draft: Draft, device: Device, token_hash: str, now: int) -> SessionAnswer:
    expires_at = now + current_policy(draft).session_life_seconds * 1000
    texts = (*device.session_texts, token_hash)
    for ended in texts[:-SESSIONS_MAX]:
        draft.delete(Session.key_of(ended))
    draft.put(msgspec.structs.replace(device, session_texts=texts[-SESSIONS_MAX:]))
    draft.put(
        Session(
            partition=DIRECTORY,
            token_hash=token_hash,
            customer_id=device.customer_id,
            device_id=device.device_id,
            expires_at=expires_at,
        )
    )
    return SessionAnswer(
        customer_id=device.customer_id,
        device_id=device.device_id,
        session_expires_at=expires_at,
    )
