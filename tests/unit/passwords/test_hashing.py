"""Turns to hash: how many at a time, how long one waits, and what comes of a password."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tallymark_server.passwords import (
    OWASP,
    PROFILES,
    RFC_9106,
    UNSAFE_FAST_FOR_TESTS,
    Checked,
    PasswordProfile,
    Passwords,
    hashing,
)

PASSWORD = "correct horse"
OTHER_FAST = PasswordProfile(time_cost=2, memory_kibibytes=16, parallelism=2)


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(UNSAFE_FAST_FOR_TESTS)
    yield made
    made.close()


async def check(passwords: Passwords, stored: str, password: str) -> Checked:
    async with passwords.turn() as turn:
        return await turn.check(stored, password)


@pytest.mark.parametrize(
    ("profile", "parameters"),
    [
        (OWASP, "$argon2id$v=19$m=19456,t=2,p=1$"),
        (RFC_9106, "$argon2id$v=19$m=65536,t=3,p=4$"),
    ],
)
async def test_hashes_have_the_parameters_that_are_recommended(
    profile: PasswordProfile, parameters: str
) -> None:
    passwords = Passwords(profile)

    stored = await passwords.hash(PASSWORD)

    assert stored.startswith(parameters)
    assert profile in PROFILES.values()
    passwords.close()


async def test_only_the_same_password_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)

    assert await check(passwords, stored, PASSWORD) == Checked(is_right=True)
    assert await check(passwords, stored, PASSWORD + " ") == Checked(is_right=False)
    assert await passwords.hash(PASSWORD) != stored, "each has a salt of its own"


async def test_both_forms_of_a_letter_are_right(passwords: Passwords) -> None:
    stored = await passwords.hash("gr\u00fcne Äpfel")

    assert (await check(passwords, stored, "gru\u0308ne Äpfel")).is_right


async def test_a_hash_of_another_profile_is_right_and_made_anew(passwords: Passwords) -> None:
    other = Passwords(OTHER_FAST)
    stored = await other.hash(PASSWORD)
    other.close()

    right = await check(passwords, stored, PASSWORD)
    wrong = await check(passwords, stored, "wrong horse")

    assert right.is_right
    assert extract_parameters(right.new_hash).memory_cost == UNSAFE_FAST_FOR_TESTS.memory_kibibytes
    assert await check(passwords, right.new_hash, PASSWORD) == Checked(is_right=True)
    assert wrong == Checked(is_right=False)


async def test_nothing_is_hashed_on_the_event_loop(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def watched(function: Any) -> Any:
        def run(*arguments: Any) -> Any:
            threads.add(threading.current_thread())
            return function(*arguments)

        return run

    for name in ("hash", "verify"):
        monkeypatch.setattr(PasswordHasher, name, watched(getattr(PasswordHasher, name)))

    stored = await passwords.hash(PASSWORD)
    await asyncio.gather(*(check(passwords, stored, PASSWORD) for _ in range(20)))

    assert len(threads) == hashing.THREADS
    assert threading.main_thread() not in threads


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")
async def test_hashing_steps_back_behind_payments(passwords: Passwords) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = priority()

    assert await passwords.run(priority) == max(own, hashing.NICENESS)
    assert priority() == own


async def test_whoever_finds_too_many_waiting_is_turned_away_at_once(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "WAITING_MAX", 3)
    async with passwords.turn():
        waiting = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(3)]
        await asyncio.sleep(0)

        with pytest.raises(NotDone) as refused:
            await passwords.hash(PASSWORD)

        assert refused.value.reason is Reason.OVERLOADED
        assert refused.value.retry_after_seconds > 0
        assert passwords.work.hashed == 0
        with pytest.raises(NotDone):
            passwords.demand_room()

    await asyncio.gather(*waiting)
    passwords.demand_room()
    assert (passwords.work.hashed, passwords.work.waiting_most) == (3, 3)


async def test_whoever_waits_too_long_is_turned_away_and_never_hashed(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "WAIT_SECONDS_MAX", 0.01)
    monkeypatch.setattr(hashing, "REST", 0.0)
    async with passwords.turn():
        answers = await asyncio.gather(
            *(passwords.hash(PASSWORD) for _ in range(5)), return_exceptions=True
        )

    assert [getattr(answer, "reason", None) for answer in answers] == [Reason.OVERLOADED] * 5
    assert (passwords.work.hashed, passwords.work.turned_away) == (0, 5)
    assert (await passwords.hash(PASSWORD)).startswith("$argon2id$")


async def test_a_place_rests_after_each_turn_so_that_a_flood_leaves_the_machine_to_others(
    passwords: Passwords,
) -> None:
    now = asyncio.get_running_loop().time
    began_at = now()
    async with passwords.turn() as turn:
        await turn.hash(PASSWORD)
    ended_at = now()
    async with passwords.turn():
        next_at = now()

    assert next_at - ended_at >= hashing.REST * (ended_at - began_at) * 0.9


async def test_whoever_goes_away_while_waiting_is_never_hashed(passwords: Passwords) -> None:
    async with passwords.turn():
        gone = asyncio.create_task(passwords.hash(PASSWORD))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)

    assert (await passwords.hash(PASSWORD)).startswith("$argon2id$")
    assert passwords.work.hashed == 1
