"""Registering, signing in, devices and cards."""

from typing import Any

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CardAnswer, Done, SessionAnswer
from tallymark_server.domain.commands import (
    AddDevice,
    Caller,
    OpenSession,
    RegisterCard,
    RegisterCustomer,
    RemoveCard,
    RemoveDevice,
)
from tallymark_server.domain.customers import (
    CARDS_MAX,
    DEVICES_MAX,
    SESSIONS_MAX,
)
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Card, Device, Session
from tests.unit.domain.furniture import PARTITION
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld, device_caller

ANYONE = Caller(kind=CallerKind.ANYONE, caller_id="anyone")
MONTH_MILLISECONDS = 30 * 24 * 3600 * 1000


def register(login_name: str = "cleo", number: str = "+cleo") -> RegisterCustomer:
    return RegisterCustomer(
        caller=ANYONE,
        partition=PARTITION,
        customer_id=f"id-{login_name}",
        login_name=login_name,
        login_hash=f"login-of-{login_name}",
        password_hash="hash",
        telephone_number=number,
        number_code="123456" if number else "",
        device_id=f"{login_name}-1",
        device_name="phone",
        token_hash=f"{login_name}-token",
    )


def sign_in(token: str, *, device_id: str = "ana-1", customer_id: str = "ana") -> OpenSession:
    return OpenSession(
        caller=ANYONE,
        partition=PARTITION,
        customer_id=customer_id,
        device_id=device_id,
        token_hash=token,
    )


def add_device(number: int) -> AddDevice:
    return AddDevice(
        caller=ANYONE,
        partition=PARTITION,
        customer_id="ana",
        device_id=f"ana-new-{number}",
        device_name="phone",
        token_hash=f"new-token-{number}",
    )


def ana(kind: type[Any], **fields: Any) -> Any:
    """Return a command of ana's first phone."""
    return kind(caller=device_caller("ana-1"), partition=PARTITION, **fields)


def card(number: int) -> Card:
    return Card(
        card_id=f"new-{number}",
        card_token=f"secret-{number}",
        brand="Visa",
        last_four="1111",
        expires_on="2031-01",
    )


@pytest.mark.parametrize("number", ["", "+cleo"])
def test_a_new_customer_is_signed_in(number: str) -> None:
    world = SmallWorld()

    answer = world.ask(register(number=number))

    assert answer == SessionAnswer(
        customer_id="id-cleo",
        device_id="cleo-1",
        session_expires_at=world.now + MONTH_MILLISECONDS,
        number_code_sent=bool(number),
    )


def test_a_login_name_is_taken_once() -> None:
    world = SmallWorld()

    assert reason_of(world.ask(register("ana"))) == Reason.LOGIN_NAME_TAKEN


@pytest.mark.parametrize(
    ("device_id", "customer_id"), [("ana-9", "ana"), ("ben-1", "ana"), ("ana-1", "ben")]
)
def test_a_session_is_opened_on_own_devices_only(device_id: str, customer_id: str) -> None:
    world = SmallWorld()

    answer = world.ask(sign_in("token", device_id=device_id, customer_id=customer_id))

    assert reason_of(answer) == Reason.PASSWORD_WRONG


def test_the_oldest_session_of_a_device_makes_room() -> None:
    world = SmallWorld()
    for number in range(SESSIONS_MAX):
        world.ask(sign_in(f"token-{number}"))

    assert Session.key_of("ana-token") not in world.rows
    assert len(world.device().session_texts) == SESSIONS_MAX
    assert all(Session.key_of(text) in world.rows for text in world.device().session_texts)


def test_devices_and_cards_are_bounded() -> None:
    world = SmallWorld()
    devices = [world.ask(add_device(number)) for number in range(DEVICES_MAX)]
    cards = [
        world.ask(ana(RegisterCard, card=card(number), make_default=False))
        for number in range(CARDS_MAX)
    ]

    assert [reason_of(one) for one in devices].count("OK") == DEVICES_MAX - 2
    assert [reason_of(one) for one in cards].count("OK") == CARDS_MAX - 2
    assert {reason_of(one) for one in devices + cards} == {"OK", Reason.TOO_MANY_REGISTRATIONS}


def test_a_removed_device_is_signed_out_for_good() -> None:
    world = SmallWorld()
    world.issue("ana-2")

    answer = world.ask(ana(RemoveDevice, device_id="ana-2"))

    assert answer == Done(count=1)
    assert world.get(Device.key_of(PARTITION, "ana-2")).removed
    assert Session.key_of("ana-token-2") not in world.rows
    assert world.customer().device_ids == ("ana-1",)
    assert reason_of(world.ask(sign_in("t", device_id="ana-2"))) == Reason.PASSWORD_WRONG


def test_only_own_devices_and_cards_are_removed() -> None:
    world = SmallWorld()

    device = world.ask(ana(RemoveDevice, device_id="ben-1"))
    removed = world.ask(ana(RemoveCard, card_id="ben-card-1"))

    assert reason_of(device) == Reason.DEVICE_NOT_FOUND
    assert reason_of(removed) == Reason.CARD_NOT_FOUND


@pytest.mark.parametrize("is_default", [True, False])
def test_the_default_card_stands_first(*, is_default: bool) -> None:
    world = SmallWorld()

    answer = world.ask(ana(RegisterCard, card=card(1), make_default=is_default))

    assert answer == CardAnswer(card=card(1), is_default=is_default)
    cards = [one.card_id for one in world.customer().cards]
    assert cards.index("new-1") == (0 if is_default else 2)


def test_the_first_card_is_the_default_and_the_next_one_follows() -> None:
    world = SmallWorld()
    for name in ("ana-card-1", "ana-card-2"):
        world.ask(ana(RemoveCard, card_id=name))

    first = world.ask(ana(RegisterCard, card=card(1), make_default=False))
    world.ask(ana(RegisterCard, card=card(2), make_default=False))
    world.ask(ana(RemoveCard, card_id="new-1"))

    assert first == CardAnswer(card=card(1), is_default=True)
    assert world.customer().cards == (card(2),)
