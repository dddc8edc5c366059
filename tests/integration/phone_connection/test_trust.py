"""Which servers the phone's connection talks to, and which phones a server believes."""

import asyncio

import pytest

from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.trust import Trust
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.customer_facts import DEVICE_ID, PASSWORD
from tests.doubles.customer_service import CustomerServiceDouble

from .connection import DEVICE_KEY, connect


@pytest.mark.parametrize(
    ("hosts", "trusted", "sentence"),
    [
        (["127.0.0.1"], "another authority", "is not from an authority in other.pem"),
        (["127.0.0.1"], "the system", "is not from an authority that this system trusts"),
        (["shop.example"], "the right one", "is not for the name 127.0.0.1"),
    ],
)
async def test_a_server_that_nobody_vouches_for_gets_nothing_and_is_called_once(
    double: CustomerServiceDouble, hosts: list[str], trusted: str, sentence: str
) -> None:
    trust = {
        "another authority": Trust(
            ca_certificates_pem=Authority().certificate_pem, source="other.pem"
        ),
        "the system": Trust(),
        "the right one": Trust(ca_certificates_pem=double.authority.certificate_pem),
    }[trusted]
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    async with double.served(hosts=hosts) as address:
        connection = PhoneConnection(
            address, device_key=DEVICE_KEY, trust=trust, repetition=Repetition(sleep=note)
        )
        async with connection as phone:
            with pytest.raises(UnknownOutcome, match=sentence) as failed:
                await phone.sign_in(login_name="ana", password=PASSWORD, device_id=DEVICE_ID)

    assert address in failed.value.message
    assert not pauses
    assert not double.calls


async def test_a_server_without_tls_is_told_apart() -> None:
    async def say_something(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(say_something, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, PhoneConnection(f"127.0.0.1:{port}", device_key=DEVICE_KEY) as phone:
        with pytest.raises(UnknownOutcome, match="does not speak TLS"):
            await phone.get_wallet()


async def test_a_key_that_is_not_in_the_request_proves_nothing(
    double: CustomerServiceDouble, address: str
) -> None:
    other = DevicePrivateKey.generate()
    trust = Trust(ca_certificates_pem=double.authority.certificate_pem)
    async with connect(double, address) as phone:
        customer = await phone.register_customer(
            login_name="ana", password=PASSWORD, device_name="Phone"
        )

    async with PhoneConnection(address, device_key=other, trust=trust) as thief:
        with pytest.raises(Refused) as refused:
            await thief.sign_in(login_name="ana", password=PASSWORD, device_id=customer.device_id)

    assert refused.value.reason is Reason.PASSWORD_WRONG
