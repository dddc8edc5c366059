"""Telephone numbers over the wire: what is sent, how often, and whose number it is afterwards."""

import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark_protocol.device_key import DevicePrivateKey
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.signed_requests import register_request
from tests.world.world import World

NUMBER, OTHER_NUMBER = "+4930123456", "+4930654321"


class CountingSender:
    """Keeps every verification code that was sent, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, telephone_number: str, number_code: str) -> None:
        self.sent.append((telephone_number, number_code))


@pytest.fixture
def sender(in_memory: World, monkeypatch: pytest.MonkeyPatch) -> CountingSender:
    sender = CountingSender()
    monkeypatch.setattr(in_memory.numbers, "send", sender.send)
    return sender


def send_request(number: str = "") -> c.SendNumberCodeRequest:
    return c.SendNumberCodeRequest(request_id=new_id(), telephone_number=number)


async def verify(phone: Phone, number_code: str) -> str:
    request = c.VerifyNumberRequest(request_id=new_id(), number_code=number_code)
    return await phone.reason("VerifyNumber", request)


async def shown(phone: Phone) -> tuple[str, bool]:
    wallet = await phone.wallet()
    return wallet.telephone_number, wallet.number_verified


async def test_each_request_sends_one_code_however_often_it_is_repeated(
    in_memory: World, sender: CountingSender
) -> None:
    phone = await in_memory.add_phone()
    request = send_request(NUMBER)

    first = await phone.call("SendNumberCode", request)
    again = await phone.call("SendNumberCode", request)
    await phone.call("SendNumberCode", send_request())

    assert again == first
    assert first.expires_at.seconds == in_memory.clock.now() // 1000 + 600
    assert [number for number, _ in sender.sent] == [NUMBER, NUMBER]
    assert len({code for _, code in sender.sent}) == 2, "each request has a code of its own"


async def test_a_repeated_registration_sends_no_second_code(
    in_memory: World, sender: CountingSender
) -> None:
    phone = await in_memory.add_phone()
    request = register_request("ben", DevicePrivateKey.generate(), telephone_number=NUMBER)

    answers = [await phone.call("RegisterCustomer", request) for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0].number_code_sent
    assert len(sender.sent) == 1


async def test_the_wallet_shows_the_number_in_force(
    in_memory: World, sender: CountingSender
) -> None:
    phone = await in_memory.add_phone(telephone_number=NUMBER)
    given = await shown(phone)
    assert await verify(phone, sender.sent[-1][1]) == "OK"
    verified = await shown(phone)
    await phone.call("SendNumberCode", send_request(OTHER_NUMBER))
    waiting = await shown(phone)
    assert await verify(phone, sender.sent[-1][1]) == "OK"

    assert (given, verified, waiting) == ((NUMBER, False), (NUMBER, True), (NUMBER, True))
    assert await shown(phone) == (OTHER_NUMBER, True)


async def test_who_proves_a_recycled_number_has_it(
    in_memory: World, sender: CountingSender
) -> None:
    before = await in_memory.add_phone(telephone_number=NUMBER)
    await verify(before, sender.sent[-1][1])

    after = await in_memory.add_phone("ben", telephone_number=NUMBER)
    assert await verify(after, sender.sent[-1][1]) == "OK"

    assert await shown(after) == (NUMBER, True)
    assert await shown(before) == ("", False)


async def test_the_sixth_code_of_a_day_is_not_sent(
    in_memory: World, sender: CountingSender
) -> None:
    phone = await in_memory.add_phone(telephone_number=NUMBER)

    reasons = [await phone.reason("SendNumberCode", send_request()) for _ in range(5)]
    late = await in_memory.add_phone("ben", telephone_number=NUMBER)

    assert reasons == ["OK"] * 4 + ["NUMBER_CODE_LIMIT"]
    assert len(sender.sent) == 5
    assert await shown(late) == (NUMBER, False), "it waits for tomorrow's code"
