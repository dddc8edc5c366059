"""A call with a password that arrives again: the same one is one try, another one is a guess."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_server.domain.passwords import FAILURES_MAX, FREE_FAILURES
from tallymark_server.keyring import Keyring
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.storage.memory import MemoryStore
from tests.integration.guessing.ground import count_comparisons
from tests.integration.guessing.test_over_the_wire import (
    add_device,
    change_password,
    failures,
    issue_code,
    sign_in,
)
from tests.proof import Proof
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.signed_requests import PASSWORD, register_request, sign_in_request
from tests.world.world import World

pytestmark = pytest.mark.guarantee

SENDINGS = FREE_FAILURES + 4
"""More than there are tries without a wait."""


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    return count_comparisons(monkeypatch)


@pytest.mark.parametrize("use", [sign_in, add_device, issue_code, change_password])
async def test_a_call_repeated_while_it_is_under_way_waits_for_it(
    in_memory: World, compared: Counter[str], use: Any
) -> None:
    """Each repetition counted as a try, and from the fifth on they were told to wait."""
    phone = await in_memory.add_phone()
    rpc, request = await use(phone)

    answers = await asyncio.gather(*(phone.call(rpc, request) for _ in range(SENDINGS)))

    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert compared == {PASSWORD: 1}
    assert await failures(in_memory, phone) == 0


async def test_a_wrong_password_repeated_is_one_wrong_password(
    in_memory: World, compared: Counter[str]
) -> None:
    phone = await in_memory.add_phone()
    request = sign_in_request(phone, password="guess")

    at_once = await asyncio.gather(*(phone.reason("SignIn", request) for _ in range(SENDINGS)))
    later = await phone.reason("SignIn", request)

    assert {*at_once, later} == {"PASSWORD_WRONG"}
    assert compared == {"guess": 1}
    assert await failures(in_memory, phone) == 1


async def guess_at(phone: Phone, request: Any, guesses: list[str], *, at_once: bool) -> list[str]:
    """Send a decided sign-in again with these passwords, as who has the device's key can do."""
    calls = []
    for password in guesses:
        again = type(request)()
        again.CopyFrom(request)
        again.password = password
        calls.append(phone.reason("SignIn", again))
    if at_once:
        return await asyncio.gather(*calls)
    return [await call for call in calls]


async def heard_right(keyring: Keyring, trials: int) -> tuple[int, Counter[str], int]:
    """Guess at earlier sign-ins; count who heard that a guess was right, and what was heard."""
    heard: Counter[str] = Counter()
    right = uncounted = 0
    async with world(MemoryStore(), keyring) as served:
        for number in range(trials):
            phone = await served.add_phone(f"ana{number}")
            request = sign_in_request(phone)
            await phone.call("SignIn", request)
            guesses = [f"guess {guess}" for guess in range(number % 3 + 1)]
            reasons = await guess_at(phone, request, guesses, at_once=number % 2 == 1)
            # Only then: of several at once the right one may be the first, which is no guess.
            reasons += await guess_at(phone, request, [PASSWORD], at_once=False)
            heard.update(reasons)
            right += reasons.count("OK")
            uncounted += await failures(served, phone) == 0
    return right, heard, uncounted


async def test_no_decided_sign_in_tells_whether_a_second_guess_is_right(
    keyring: Keyring, proof: Proof
) -> None:
    trials = proof.trials(ci=30, campaign=600)

    right, heard, uncounted = await heard_right(keyring, trials)

    proof.record(
        "G14 guessing: at the password of a decided sign-in",
        trials=heard.total(),
        failures=right + uncounted,
        faults_fired={"guesses refused": heard["REQUEST_ID_REUSED"]},
        mutants_killed={"a decided request is only compared": 1},
    )


async def test_a_server_that_only_compares_would_be_noticed(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug, which was there: no guess counts, and the request answers the right one."""

    async def count_nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(PasswordGuard, "_count_reuse", count_nothing)

    right, _, uncounted = await heard_right(keyring, 1)

    assert (right, uncounted) == (1, 1)


async def test_a_registration_tells_no_second_guess_either(in_memory: World) -> None:
    """It needs no device that is known: whoever has the request itself may send it again."""
    phone = await in_memory.add_phone("bob")
    key = DevicePrivateKey.generate()
    request = register_request("ana", key)
    registered = await phone.call("RegisterCustomer", request)
    guess = register_request("ana", key, request_id=request.request_id, password="a guess")

    first = await phone.reason("RegisterCustomer", guess)
    second = await phone.reason("RegisterCustomer", request)

    assert (first, second) == ("REQUEST_ID_REUSED", "REQUEST_ID_REUSED")
    phone.customer_id = registered.customer_id
    assert await failures(in_memory, phone) == 2


async def test_a_locked_password_is_not_guessed_at_a_decided_sign_in(in_memory: World) -> None:
    phone = await in_memory.add_phone()
    request = sign_in_request(phone)
    await phone.call("SignIn", request)
    for number in range(FAILURES_MAX):
        in_memory.clock.move(seconds=3_600)
        await phone.reason("SignIn", sign_in_request(phone, password=f"guess {number}"))

    heard = await guess_at(phone, request, ["another guess", PASSWORD], at_once=False)

    assert heard == ["PASSWORD_LOCKED", "PASSWORD_LOCKED"]
