"""What is registered before a test begins."""

from functools import cache
from typing import Any

from tallymark_server.domain.commands import (
    AddBill,
    AddDevice,
    AddTicket,
    Caller,
    Command,
    CreateEvent,
    CreateMerchant,
    CreateProgramme,
    CreateTerminal,
    Enrol,
    GrantPoints,
    InviteDevice,
    RegisterCard,
    RegisterCustomer,
    RightPassword,
    VerifyNumber,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Event,
    Merchant,
    PointsProgramme,
    ReentryRule,
)
from tallymark_server.domain.model.numbers import TelephoneNumber
from tallymark_server.domain.model.people import Card, DeviceKey
from tallymark_server.domain.model.registrations import Bill, PointsGrant, Ticket
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Rows
from tests.unit.domain.runner import Runner, reason_of
from tests.world.clock import START

__all__ = [
    "DEVICES",
    "PARTITION",
    "TERMINALS",
    "bill",
    "device_key",
    "enrolled",
    "euro",
    "furnished",
    "number_of",
    "points",
    "ticket",
]

PARTITION = 7
"""Where the customers live: not the directory's partition, so that mixing them up shows."""

LONG_AGO = 60 * 24 * 3600 * 1000
"""Milliseconds since the terminals enrolled, which are not new any more."""

DEVICES = {"ana-1": "ana", "ana-2": "ana", "ben-1": "ben"}
TERMINALS = {"till-1": "cafe", "till-2": "cafe", "gate-1": "hall"}

_OPERATOR = Caller(kind=CallerKind.OPERATOR, caller_id="root")
_ANYONE = Caller(kind=CallerKind.ANYONE, caller_id="anyone")


def euro(minor_units: int) -> Money:
    """Return an amount in EUR."""
    return Money(currency_code="EUR", minor_units=minor_units)


def number_of(name: str) -> TelephoneNumber:
    """Return a customer's telephone number."""
    return TelephoneNumber(digits=f"+{name}", number_hash=f"number-of-{name}")


def device_key(device_id: str) -> DeviceKey:
    """Return the key of a phone."""
    return DeviceKey(algorithm=1, key_bytes=device_id.encode())


def enrolled(terminal_id: str, code_hash: str) -> Enrol:
    """Return the command by which a terminal enrols."""
    return Enrol(
        caller=Caller(kind=CallerKind.ANYONE, caller_id=code_hash),
        partition=DIRECTORY,
        kind=CallerKind.TERMINAL,
        code_hash=code_hash,
        owner_id=terminal_id,
        key_hash=f"key-of-{code_hash}",
        certificate_pem="certificate",
        expires_at=START,
    )


def bill(
    reference: str, amount: Money, *, merchant_id: str = "cafe", login_name: str = "ana"
) -> AddBill:
    """Return the command that adds a bill."""
    row = Bill(
        partition=DIRECTORY,
        merchant_id=merchant_id,
        bill_reference=reference,
        customer_id="",
        login_name=login_name,
        amount=amount,
    )
    return AddBill(
        caller=_OPERATOR, partition=DIRECTORY, bill=row, login_hash=f"login-of-{login_name}"
    )


def ticket(ticket_id: str, event_id: str = "jazz", **more: Any) -> AddTicket:
    """Return the command that adds a ticket."""
    row = Ticket(
        partition=DIRECTORY,
        event_id=event_id,
        ticket_id=ticket_id,
        customer_id="",
        **{"login_name": "ana", "entries": 1, **more},
    )
    return AddTicket(
        caller=_OPERATOR, partition=DIRECTORY, ticket=row, login_hash=f"login-of-{row.login_name}"
    )


def points(
    number: int, reference: str, *, login_name: str = "ana", programme_id: str = "beans"
) -> GrantPoints:
    """Return the command that adds points."""
    row = PointsGrant(
        partition=DIRECTORY,
        holder_id="",
        programme_id=programme_id,
        grant_reference=reference,
        points=number,
        granted_at=0,
    )
    return GrantPoints(
        caller=_OPERATOR, partition=DIRECTORY, grant=row, login_hash=f"login-of-{login_name}"
    )


@cache
def furnished() -> Rows:
    """Return the rows that every test begins with."""
    runner = Runner({}, now=START - LONG_AGO)
    for command in _merchants():
        assert reason_of(runner.ask(command)) == "OK"
    runner.now = START
    for command in (*_customers(), *_registrations()):
        assert reason_of(runner.ask(command)) == "OK"
    return runner.rows


def _merchants() -> list[Command]:
    common: dict[str, Any] = {"caller": _OPERATOR, "partition": DIRECTORY}
    programme = PointsProgramme(
        partition=DIRECTORY,
        programme_id="beans",
        name="Beans",
        point_value=euro(1),
        earn_points_max=500,
    )
    merchants = [
        Merchant(partition=DIRECTORY, merchant_id="cafe", name="Cafe", programme_id="beans"),
        Merchant(partition=DIRECTORY, merchant_id="hall", name="Hall"),
    ]
    events = [
        ("jazz", "cafe", ReentryRule.EACH_ENTRY_COUNTS),
        ("fair", "cafe", ReentryRule.EXIT_BETWEEN),
        ("pool", "hall", ReentryRule.FREE_AFTER_EXIT),
    ]
    rows = [
        Event(
            partition=DIRECTORY, event_id=event_id, merchant_id=owner, name=event_id, reentry_rule=r
        )
        for event_id, owner, r in events
    ]
    return [
        CreateProgramme(programme=programme, **common),
        *(CreateMerchant(merchant=merchant, **common) for merchant in merchants),
        *(
            CreateTerminal(terminal_id=name, merchant_id=owner, code_hash=name, **common)
            for name, owner in TERMINALS.items()
        ),
        *(enrolled(name, name) for name in TERMINALS),
        *(CreateEvent(event=row, **common) for row in rows),
    ]


def _customers() -> list[Command]:
    commands: list[Command] = []
    for name in ("ana", "ben"):
        caller = Caller(kind=CallerKind.CUSTOMER, caller_id=name, device_id=f"{name}-1")
        commands += [
            RegisterCustomer(
                caller=_ANYONE,
                partition=PARTITION,
                customer_id=name,
                login_name=name,
                login_hash=f"login-of-{name}",
                password_hash="hash",
                number=number_of(name),
                code_hash="123456",
                device_id=f"{name}-1",
                device_name="phone",
                device_key=device_key(f"{name}-1"),
                token_hash=f"{name}-token",
            ),
            VerifyNumber(caller=caller, partition=PARTITION, code_hash="123456"),
            *(
                RegisterCard(
                    caller=caller, partition=PARTITION, card=_card(name, n), make_default=False
                )
                for n in (1, 2)
            ),
        ]
    ana = Caller(kind=CallerKind.CUSTOMER, caller_id="ana", device_id="ana-1")
    invite = InviteDevice(
        caller=ana, partition=PARTITION, customer_id="ana", code_hash="invitation"
    )
    add = AddDevice(
        caller=_ANYONE,
        partition=PARTITION,
        password=RightPassword(customer_id="ana", number=1, version=0),
        customer_id="ana",
        invitation_hash="invitation",
        device_id="ana-2",
        device_name="tablet",
        device_key=device_key("ana-2"),
        token_hash="ana-token-2",
    )
    return [*commands, invite, add]


def _card(name: str, number: int) -> Card:
    return Card(
        card_id=f"{name}-card-{number}",
        card_token=f"{name}-token-{number}",
        brand="Visa",
        last_four=f"424{number}",
        expires_on="2030-12",
    )


def _registrations() -> list[Command]:
    return [
        bill("B-1", euro(1_000)),
        bill("B-2", euro(2_500)),
        bill("B-3", Money(currency_code="USD", minor_units=700)),
        bill("H-1", euro(400), merchant_id="hall"),
        bill("B-9", euro(900), login_name="ben"),
        ticket("J-1", entries=2),
        ticket("J-2"),
        ticket("F-1", "fair", entries=2),
        ticket("P-1", "pool"),
        ticket("J-9", login_name="ben"),
        points(1_500, "welcome"),
        points(40, "welcome", login_name="ben"),
    ]
