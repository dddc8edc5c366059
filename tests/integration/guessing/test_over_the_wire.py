"""Guessing by real calls: who holds a device or a session guesses little, a stranger not at all."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from argon2 import PasswordHasher

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import identification_pb2
from tallymark.v1 import operator_service_pb2 as operator
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import Refused
from tallymark_server.domain.model.passwords import PasswordTries
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.passwords import FREE_FAILURES
from tallymark_server.keyring import Keyring
from tallymark_server.limits import Limits
from tallymark_server.passwords import PasswordProfile, Passwords, hashing
from tallymark_server.services.answering import load_one
from tallymark_server.storage.memory import MemoryStore
from tests.integration.guessing.ground import count_comparisons
from tests.proof import Proof
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.signed_requests import PASSWORD, add_device_request, sign_in_request
from tests.world.world import World

pytestmark = pytest.mark.guarantee


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    return count_comparisons(monkeypatch)


def code_request(password: str) -> customer.IssueCodeRequest:
    return customer.IssueCodeRequest(
        request_id=new_id(),
        purpose=identification_pb2.CODE_PURPOSE_GENERAL,
        password=password,
    )


async def guess_often(phone: Phone, times: int = FREE_FAILURES + 1) -> None:
    for number in range(times):
        request = sign_in_request(phone, password=f"guess {number}")
        assert await phone.reason("SignIn", request) == "PASSWORD_WRONG"


async def failures(served: World, phone: Phone) -> int:
    tries = await load_one(served.store, PasswordTries.key_of(0, phone.customer_id))
    return tries.failures if tries else 0


async def invite(phone: Phone) -> str:
    answer = await phone.call("InviteDevice", customer.InviteDeviceRequest(request_id=new_id()))
    return str(answer.invitation)


async def sign_in(phone: Phone) -> tuple[str, Any]:
    return "SignIn", sign_in_request(phone)


async def add_device(phone: Phone) -> tuple[str, Any]:
    key = DevicePrivateKey.generate()
    return "AddDevice", add_device_request(phone.login_name, key, invitation=await invite(phone))


async def issue_code(_: Phone) -> tuple[str, Any]:
    return "IssueCode", code_request(PASSWORD)


async def change_password(_: Phone) -> tuple[str, Any]:
    request = customer.ChangePasswordRequest(
        request_id=new_id(), password=PASSWORD, new_password="another horse that nobody knows"
    )
    return "ChangePassword", request


@pytest.mark.parametrize("use", [sign_in, add_device, issue_code, change_password])
async def test_each_call_that_uses_the_right_password_forgets_the_wrong_ones(
    tallymark: World, use: Any
) -> None:
    phone = await tallymark.add_phone()
    rpc, request = await use(phone)
    await guess_often(phone)
    assert await failures(tallymark, phone) == FREE_FAILURES + 1

    tallymark.clock.move(seconds=1)
    await phone.call(rpc, request)

    assert await failures(tallymark, phone) == 0


@pytest.mark.parametrize("use", [sign_in, add_device, issue_code, change_password])
async def test_a_repeated_call_compares_nothing_and_counts_nothing(
    in_memory: World, compared: Counter[str], use: Any
) -> None:
    phone = await in_memory.add_phone()
    rpc, request = await use(phone)
    await phone.call(rpc, request)

    answers = [await phone.call(rpc, request) for _ in range(3 * FREE_FAILURES)]

    assert all(answer == answers[0] for answer in answers)
    assert compared.total() == 1
    assert await failures(in_memory, phone) == 0


async def test_the_owner_is_told_to_wait_and_then_signs_in(tallymark: World) -> None:
    phone = await tallymark.add_phone()
    await guess_often(phone)
    request = sign_in_request(phone)

    with pytest.raises(Refused) as refused:
        await phone.call("SignIn", request)
    tallymark.clock.move(seconds=int(refused.value.metadata["seconds"]))

    assert refused.value.reason == "PASSWORD_WAIT"
    assert (await phone.call("SignIn", request)).session_token


async def test_the_operator_unlocks_at_once(tallymark: World) -> None:
    phone = await tallymark.add_phone()
    await guess_often(phone)
    assert await phone.reason("SignIn", sign_in_request(phone)) == "PASSWORD_WAIT"

    unlock = operator.UnlockPasswordRequest(login_name=phone.login_name)
    answer = await tallymark.operator.call("UnlockPassword", unlock)

    assert answer.failures == FREE_FAILURES + 1
    assert await phone.reason("SignIn", sign_in_request(phone)) == "OK"


async def test_a_thief_of_a_session_guesses_no_more_at_once_than_one_by_one(
    in_memory: World, compared: Counter[str], monkeypatch: pytest.MonkeyPatch, proof: Proof
) -> None:
    calls = proof.trials(ci=300, campaign=1_000)
    monkeypatch.setattr(hashing, "WAITING_MAX", calls)
    monkeypatch.setattr(hashing, "WAITING_EACH_MAX", calls)
    monkeypatch.setattr(hashing, "WAIT_SECONDS_MAX", 60.0)
    phone = await in_memory.add_phone()

    reasons = await asyncio.gather(
        *(phone.reason("IssueCode", code_request(f"guess {number}")) for number in range(calls))
    )

    proof.record(
        "G14 guessing: one account, at once, with a stolen session",
        trials=calls,
        failures=max(0, compared.total() - FREE_FAILURES - 1),
        faults_fired=dict(Counter(reasons)),
    )


async def test_a_customer_who_asks_all_the_time_leaves_places_to_others(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One password is being compared for a while, and there are more calls than places."""
    monkeypatch.setattr(hashing, "WAIT_SECONDS_MAX", 60.0)
    hashed = threading.Event()
    verify = PasswordHasher.verify

    def patient(self: PasswordHasher, stored: str, password: str) -> Any:
        hashed.wait()
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", patient)
    greedy, other = await in_memory.add_phone("ana"), await in_memory.add_phone("ben")
    places = 1 + hashing.WAITING_MAX
    calls = [
        asyncio.create_task(greedy.reason("IssueCode", code_request(PASSWORD)))
        for _ in range(2 * places)
    ]
    try:
        for _, refused in zip(range(places), asyncio.as_completed(calls), strict=False):
            assert await refused == "OVERLOADED"
        signed_in = asyncio.create_task(other.reason("SignIn", sign_in_request(other)))
        await asyncio.wait({signed_in}, timeout=0.3)
    finally:
        hashed.set()

    assert await signed_in == "OK"
    reasons = Counter(await asyncio.gather(*calls))
    assert reasons["OK"] == 1 + hashing.WAITING_EACH_MAX, "one was hashed, the others waited"


async def test_a_password_is_made_anew_with_the_profile_of_the_server(in_memory: World) -> None:
    phone = await in_memory.add_phone()
    key = Customer.key_of(0, phone.customer_id)
    row = await load_one(in_memory.store, key)
    assert row is not None
    other = Passwords(PasswordProfile(time_cost=2, memory_kibibytes=16, parallelism=2))
    stored = await other.hash(PASSWORD)
    other.close()
    changed = Customer(
        **{name: getattr(row, name) for name in row.__struct_fields__} | {"password_hash": stored}
    )
    await in_memory.store.save({key: changed}, [])

    await phone.call("SignIn", sign_in_request(phone))

    kept = await load_one(in_memory.store, key)
    assert kept is not None
    assert kept.password_hash.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await phone.reason("SignIn", sign_in_request(phone)) == "OK"


async def test_one_guess_at_each_of_many_accounts_compares_nothing_and_is_limited(
    keyring: Keyring, compared: Counter[str], proof: Proof
) -> None:
    """A stranger has no device's key: every guess is refused before any password."""
    guesses = proof.trials(ci=200, campaign=10_000)
    limits = Limits()
    async with world(MemoryStore(), keyring, limits=limits) as served:
        stranger = await served.add_phone("stranger")
        await served.add_phone("victim")
        served.clock.move(seconds=limits.address.burst / limits.address.per_second)

        reasons = Counter(
            [
                await stranger.reason("SignIn", sign_in_request(stranger, login_name=name))
                for name in ("victim" if number % 2 else f"n{number}" for number in range(guesses))
            ]
        )

    assert reasons["PASSWORD_WRONG"] == limits.address.burst
    proof.record(
        "G14 spraying: one guess at each of many accounts, from one address",
        trials=guesses,
        failures=compared.total(),
        faults_fired=dict(reasons),
    )
