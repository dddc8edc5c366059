"""Customers: registration and cards."""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CardAnswer, Done, SessionAnswer
from tallymark_server.domain.calling import calling_customer
from tallymark_server.domain.commands import RegisterCard, RegisterCustomer, RemoveCard
from tallymark_server.domain.devices import put_new_device
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.people import Customer, Login
from tallymark_server.domain.numbers import with_first_proof
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["CARDS_MAX", "register_card", "register_customer", "remove_card"]

CARDS_MAX: Final = 20


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
    )
    if command.number is not None:
        customer = with_first_proof(draft, customer, command.number, command.code_hash, now)
    answer = put_new_device(draft, command, customer, now)
    proof = customer.number_proof
    return msgspec.structs.replace(answer, number_code_sent=bool(proof and proof.code_hash))


def register_card(draft: Draft, command: RegisterCard) -> CardAnswer:
    """Keep a card; the first one, or one that is wanted as default, stands first."""
    customer = calling_customer(draft, command)
    if len(customer.cards) >= CARDS_MAX:
        raise Refused(Reason.TOO_MANY_REGISTRATIONS, limit=str(CARDS_MAX), what="cards")
    is_default = command.make_default or not customer.cards
    cards = (command.card, *customer.cards) if is_default else (*customer.cards, command.card)
    draft.put(msgspec.structs.replace(customer, cards=cards))
    return CardAnswer(card=command.card, is_default=is_default)


def remove_card(draft: Draft, command: RemoveCard) -> Done:
    """Forget a card; the next one becomes the default."""
    customer = calling_customer(draft, command)
    left = tuple(card for card in customer.cards if card.card_id != command.card_id)
    if len(left) == len(customer.cards):
        raise Refused(Reason.CARD_NOT_FOUND)
    draft.put(msgspec.structs.replace(customer, cards=left))
    return Done()
