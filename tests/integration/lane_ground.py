"""A lane over a store, customers in it, and the commands that go through it at once."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import (
    AddBill,
    Caller,
    CodeIdentification,
    Command,
    ProcessName,
    RemoveCard,
    RequestKey,
    ResolveCode,
    ReverseProcess,
    RevokeCode,
)
from tallymark_server.domain.model.actions import Ask
from tallymark_server.domain.model.merchants import CallerKind, Merchant, PointsProgramme
from tallymark_server.domain.model.people import (
    Card,
    Customer,
    Device,
    DeviceKey,
    LiveCode,
    Login,
)
from tallymark_server.domain.model.processes import Code, CodePurpose
from tallymark_server.domain.model.registrations import ISSUER, Bill, PointsAccount
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Row
from tallymark_server.lanes.lane import Lane
from tallymark_server.storage.store import Store
from tests.world.clock import START, MovedClock

__all__ = [
    "POINTS",
    "add_bill",
    "furnish",
    "lane_over",
    "name_of",
    "remove_card",
    "resolve",
    "reverse",
    "revoke_codes",
    "together",
]

POINTS = 1_000
_TILL = Caller(kind=CallerKind.TERMINAL, caller_id="till-1", merchant_id="cafe")
_OPERATOR = Caller(kind=CallerKind.OPERATOR, caller_id="root")
_PURPOSES = {CodePurpose.GENERAL: "general", CodePurpose.POINTS: "points"}
_EXPIRES_AT_SECONDS = START // 1_000 + 60


def name_of(number: int) -> str:
    """Return the name of a customer."""
    return f"customer-{number:03d}"


async def furnish(store: Store, customers: int) -> None:
    """Add customers, each with a card, points and a device that shows a code of two purposes."""
    point = Money(currency_code="EUR", minor_units=1)
    rows: list[Row] = [
        Merchant(partition=0, merchant_id="cafe", name="Cafe", programme_id="beans"),
        PointsProgramme(
            partition=0, programme_id="beans", name="Beans", point_value=point, earn_points_max=500
        ),
        _account(ISSUER, -POINTS * customers),
    ]
    for number in range(customers):
        rows += _customer(name_of(number))
    await store.save({row.key: row for row in rows}, [])


@asynccontextmanager
async def lane_over(store: Store, **parts: Any) -> AsyncIterator[Lane]:
    """Run a lane; leaving it waits until the lane is done, however it ended."""
    parts = {"clock": MovedClock(), "on_commit": lambda _: None, **parts}
    lane = Lane(store=store, **parts)
    task = asyncio.create_task(lane.run())
    try:
        yield lane
    finally:
        lane.stop()
        await asyncio.gather(task, return_exceptions=True)


async def together(lane: Lane, commands: Iterable[Command]) -> list[Answer | BaseException]:
    """Submit all before the lane gets its turn, so that they make one batch."""
    submissions = [asyncio.create_task(lane.submit(command)) for command in commands]
    return await asyncio.gather(*submissions, return_exceptions=True)


def resolve(
    name: str, request_id: str, *asks: Ask, purpose: CodePurpose = CodePurpose.POINTS
) -> ResolveCode:
    """Show the customer's code of this purpose at the till."""
    return ResolveCode(
        caller=_TILL,
        partition=0,
        request=RequestKey(rpc="ResolveCode", request_id=request_id, fingerprint=name),
        identification=CodeIdentification(
            expires_at_seconds=_EXPIRES_AT_SECONDS,
            cti_hash=f"{name}-{_PURPOSES[purpose]}",
            text_hash="text",
        ),
        asks=asks,
        sale_total=None,
        complete_on_instruction=False,
        fresh=request_id.encode()[-10:].rjust(10),
        digits="00",
    )


def reverse(request_id: str, resolve_request_id: str) -> ReverseProcess:
    """Give up a request of the till."""
    return ReverseProcess(
        caller=_TILL,
        partition=0,
        request=RequestKey(rpc="ReverseProcess", request_id=request_id, fingerprint=""),
        name=ProcessName(resolve_request_id=resolve_request_id),
        note="",
        fresh=request_id.encode()[-10:].rjust(10),
    )


def remove_card(name: str) -> RemoveCard:
    """Let the customer remove the only card."""
    return RemoveCard(
        caller=_customer_called(name),
        partition=0,
        request=RequestKey(rpc="RemoveCard", request_id=f"remove {name}", fingerprint=""),
        card_id=f"{name}-card",
    )


def revoke_codes(name: str) -> RevokeCode:
    """Let the customer revoke every code."""
    return RevokeCode(
        caller=_customer_called(name),
        partition=0,
        request=RequestKey(rpc="RevokeCode", request_id=f"revoke {name}", fingerprint=""),
        purpose=None,
    )


def add_bill(name: str, minor_units: int) -> AddBill:
    """Let the operator add a bill of the cafe."""
    bill = Bill(
        partition=0,
        merchant_id="cafe",
        bill_reference=f"bill of {name}",
        customer_id="",
        login_name=name,
        amount=Money(currency_code="EUR", minor_units=minor_units),
    )
    return AddBill(caller=_OPERATOR, partition=0, bill=bill, login_hash=name)


def _customer_called(name: str) -> Caller:
    return Caller(kind=CallerKind.CUSTOMER, caller_id=name, device_id=f"{name}-device")


def _account(holder_id: str, balance: int) -> PointsAccount:
    return PointsAccount(partition=0, holder_id=holder_id, programme_id="beans", balance=balance)


def _customer(name: str) -> list[Row]:
    card = Card(
        card_id=f"{name}-card", card_token="token", brand="VISA", last_four="4242", expires_on=""
    )
    codes = [
        Code(
            partition=0,
            expires_at_seconds=_EXPIRES_AT_SECONDS,
            cti_hash=f"{name}-{_PURPOSES[purpose]}",
            text_hash="text",
            key_id=1,
            customer_id=name,
            device_id=f"{name}-device",
            purpose=purpose,
            issued_at=START,
        )
        for purpose in _PURPOSES
    ]
    live = tuple(
        LiveCode(code_text=code.text, purpose=code.purpose, expires_at=START + 60_000)
        for code in codes
    )
    customer = Customer(
        partition=0,
        customer_id=name,
        login_name=name,
        password_hash="",
        registered_at=START,
        device_ids=(f"{name}-device",),
        cards=(card,),
        programme_ids=("beans",),
    )
    device = Device(
        partition=0,
        device_id=f"{name}-device",
        customer_id=name,
        name="phone",
        public_key=DeviceKey(algorithm=1, key_bytes=bytes(32)),
        added_at=START,
        live_codes=live,
    )
    login = Login(partition=0, login_hash=name, customer_id=name, customer_partition=0)
    return [customer, device, login, _account(name, POINTS), *codes]
