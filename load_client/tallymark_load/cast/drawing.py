"""Draws members up: names, keys and the requests that will make them known to a server."""

import secrets
import uuid

from tallymark_load.cast.members import Cast, Customer, Merchant, Operator, Terminal
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.device_key import DevicePrivateKey

__all__ = ["draw_up", "new_operator", "new_terminal"]

_PASSWORD_BYTES = 18


def draw_up(cast: Cast, *, merchants: int, terminals: int, customers: int) -> None:
    """Add what a cast lacks of these numbers of members; it never loses any.

    Terminals and customers go round the merchants, so each merchant has some of both.
    """
    for number in range(len(cast.merchants) + 1, merchants + 1):
        name = f"merchant-{number}"
        cast.merchants[name] = Merchant(
            name=name, merchant_id=f"{cast.label}-{name}", event_id=f"{cast.label}-event-{number}"
        )
    names = tuple(cast.merchants)
    for number in range(len(cast.terminals) + 1, terminals + 1):
        name = f"terminal-{number}"
        merchant = names[(number - 1) % len(names)]
        cast.terminals[name] = new_terminal(name, f"{cast.label}-{name}", merchant)
    for number in range(len(cast.customers) + 1, customers + 1):
        name = f"customer-{number}"
        merchant = names[(number - 1) % len(names)]
        cast.customers[name] = _new_customer(name, f"{cast.label}-{name}", merchant)


def new_terminal(name: str, terminal_id: str, merchant: str) -> Terminal:
    """Return a terminal that has still to enrol."""
    key = ClientKey.generate()
    return Terminal(
        name=name,
        terminal_id=terminal_id,
        merchant=merchant,
        request_id=str(uuid.uuid4()),
        private_key_pem=key.to_pem().decode(),
        certificate_request=key.certificate_request().hex(),
    )


def new_operator() -> Operator:
    """Return an operator that has still to enrol."""
    key = ClientKey.generate()
    return Operator(
        request_id=str(uuid.uuid4()),
        private_key_pem=key.to_pem().decode(),
        certificate_request=key.certificate_request().hex(),
    )


def _new_customer(name: str, login_name: str, merchant: str) -> Customer:
    return Customer(
        name=name,
        login_name=login_name,
        merchant=merchant,
        request_id=str(uuid.uuid4()),
        password=secrets.token_urlsafe(_PASSWORD_BYTES),
        device_key_pem=DevicePrivateKey.generate().to_pem().decode(),
    )
