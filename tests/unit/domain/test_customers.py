"""Registering, and cards."""

from typing import Any

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CardAnswer, SessionAnswer
from tallymark_server.domain.commands import Caller, RegisterCard, RegisterCustomer, RemoveCard
from tallymark_server.domain.customers import CARDS_MAX
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Card, Device, Session
from tests.unit.domain.furniture import PARTITION, device_key, number_of
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld, device_caller

ANYONE = Caller(kind=CallerKind.ANYONE, caller_id="anyone")
MONTH_MILLISECONDS = 30 * 24 * 3600 * 1000


def register(login_name: str = "cleo", *, with_number: bool = True) -> RegisterCustomer:
    return RegisterCustomer(
        caller=ANYONE,
        partition=PARTITION,
        customer_id=f"id-{login_name}",
        login_name=login_name,
        login_hash=f"login-of-{login_name}",
        password_hash="hash",
        number=number_of(login_name) if with_number else None,
        code_hash="123456" if with_number else "",
        device_id=f"{login_name}-1",
        device_name="phone",
        device_key=device_key(f"{login_name}-1"),
        token_hash=f"{login_name}-token",
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


@pytest.mark.parametrize("with_number", [True, False])
def test_a_new_customer_is_signed_in_on_a_device_with_a_key(*, with_number: bool) -> None:
    world = SmallWorld()

    answer = world.ask(register(with_number=with_number))

    assert answer == SessionAnswer(
        customer_id="id-cleo",
        device_id="cleo-1",
        session_expires_at=world.now + MONTH_MILLISECONDS,
        number_code_sent=with_number,
    )
    device = world.get(Device.key_of(PARTITION, "cleo-1"))
    assert device.public_key == device_key("cleo-1")
    assert world.get(Session.key_of("cleo-token")).device_id == "cleo-1"


def test_a_login_name_is_taken_once() -> None:
    world = SmallWorld()

    assert reason_of(world.ask(register("ana"))) == Reason.LOGIN_NAME_TAKEN


def test_cards_are_bounded() -> None:
    world = SmallWorld()

    cards = [
        world.ask(ana(RegisterCard, card=card(number), make_default=False))
        for number in range(CARDS_MAX)
    ]

    assert [reason_of(one) for one in cards].count("OK") == CARDS_MAX - 2
    assert {reason_of(one) for one in cards} == {"OK", Reason.TOO_MANY_REGISTRATIONS}


def test_only_own_cards_are_removed() -> None:
    world = SmallWorld()

    answer = world.ask(ana(RemoveCard, card_id="ben-card-1"))

    assert reason_of(answer) == Reason.CARD_NOT_FOUND


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
