"""Opening sessions, and ending the others by another password."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done
from tallymark_server.domain.model.people import Session
from tallymark_server.domain.sessions import SESSIONS_MAX
from tests.unit.domain.accounts import AccountWorld
from tests.unit.domain.runner import reason_of

MONTH_SECONDS = 30 * 24 * 3600


def is_open(world: AccountWorld, token: str) -> bool:
    return Session.key_of(token) in world.rows


@pytest.mark.parametrize(
    ("device_id", "customer_id"), [("ana-9", "ana"), ("ben-1", "ana"), ("ana-1", "ben")]
)
def test_a_session_is_opened_on_own_devices_only(device_id: str, customer_id: str) -> None:
    world = AccountWorld()

    answer = world.sign_in("token", device_id=device_id, customer_id=customer_id)

    assert reason_of(answer) == Reason.PASSWORD_WRONG


def test_the_oldest_session_of_a_device_makes_room() -> None:
    world = AccountWorld()
    for number in range(SESSIONS_MAX):
        world.sign_in(f"token-{number}")

    assert not is_open(world, "ana-token")
    assert len(world.device().session_texts) == SESSIONS_MAX
    assert all(is_open(world, text) for text in world.device().session_texts)


def test_another_password_ends_all_sessions_but_the_one_that_set_it() -> None:
    world = AccountWorld()
    world.sign_in("calling")
    world.sign_in("other", device_id="ana-2")

    answer = world.change_password(session="calling")

    assert answer == Done(count=3), "two of the first phone and two of the second, but one"
    assert is_open(world, "calling")
    assert not any(is_open(world, one) for one in ("ana-token", "ana-token-2", "other"))
    assert world.device("ana-1").session_texts == ("calling",)
    assert world.device("ana-2").session_texts == ()
    assert world.customer().password_hash == "new hash"
    assert is_open(world, "ben-token")


def test_sessions_that_were_over_are_not_counted_as_ended() -> None:
    world = AccountWorld()
    world.move(seconds=MONTH_SECONDS)
    world.sign_in("calling")

    assert world.change_password(session="calling") == Done()
    assert not is_open(world, "ana-token")


def test_a_password_that_was_compared_before_another_one_was_set_opens_nothing() -> None:
    world = AccountWorld()
    world.change_password(session="ana-token")

    again = world.change_password(session="ana-token")
    signed_in = world.sign_in("late")

    assert reason_of(again) == Reason.PASSWORD_WRONG
    assert reason_of(signed_in) == Reason.PASSWORD_WRONG


def test_a_device_that_was_cut_off_while_passwords_were_hashed_sets_none() -> None:
    world = AccountWorld()
    world.sign_in("other", device_id="ana-2")
    world.revoke("ana-1")

    late = world.change_password(session="ana-token")

    assert reason_of(late) == Reason.CREDENTIALS_INVALID
    assert world.customer().password_hash != "new hash"
    assert is_open(world, "other")
