"""Devices come by invitation and go at once; the password alone opens nothing."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import operator_service_pb2 as o
from tallymark_protocol.device_key import DevicePrivateKey, KeyAlgorithm
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.passwords import Turn
from tallymark_server.services import open_streams
from tests.world.actions import earn
from tests.world.actor import Actor
from tests.world.calls import ROWS_MAX
from tests.world.clock import START
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.signed_requests import add_device_request, register_request, sign_in_request
from tests.world.stage import PASSWORD
from tests.world.world import World

OTHER_PASSWORD = "battery horse staple"

STREAM_SECONDS_MAX = 5.0


async def invitation_of(phone: Phone) -> str:
    answer = await phone.call("InviteDevice", c.InviteDeviceRequest(request_id=new_id()))
    return str(answer.invitation)


async def added(owner: Phone, key: DevicePrivateKey, invitation: str, **more: str) -> Phone:
    """Add a phone of the owner's by an invitation."""
    request = add_device_request(owner.login_name, key, invitation=invitation, **more)
    answer = await Actor(owner.stub).call("AddDevice", request)
    phone = Phone(owner.stub, answer.session_token)
    phone.device_key = key
    phone.device_id = answer.device_id
    phone.login_name = owner.login_name
    return phone


async def revoke(world: World, phone: Phone) -> o.RevokeDeviceResponse:
    request = o.RevokeDeviceRequest(login_name=phone.login_name, device_id=phone.device_id)
    answer: o.RevokeDeviceResponse = await world.operator.call("RevokeDevice", request)
    return answer


async def change_password(phone: Phone) -> int:
    request = c.ChangePasswordRequest(
        request_id=new_id(), password=PASSWORD, new_password=OTHER_PASSWORD
    )
    return int((await phone.call("ChangePassword", request)).sessions_ended)


def watching(phone: Phone) -> Any:
    return phone.watch("WatchProcesses", c.WatchProcessesRequest())


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
async def test_an_invited_device_with_the_password_is_signed_in_and_signs_in_again(
    tallymark: World, algorithm: KeyAlgorithm
) -> None:
    ana = await tallymark.add_phone()

    tablet = await added(ana, DevicePrivateKey.generate(algorithm), await invitation_of(ana))
    again = await Actor(ana.stub).call("SignIn", sign_in_request(tablet))

    devices = (await tablet.wallet()).devices
    assert [(one.device_id, one.is_current) for one in devices] == [
        (ana.device_id, False),
        (tablet.device_id, True),
    ]
    assert (await Phone(ana.stub, again.session_token).wallet()).login_name == "ana"


async def test_a_mistyped_password_leaves_the_invitation_good(in_memory: World) -> None:
    ana = await in_memory.add_phone()
    invitation = await invitation_of(ana)
    key = DevicePrivateKey.generate()
    mistyped = add_device_request("ana", key, invitation=invitation, password="correct house")

    first = await Actor(ana.stub).reason("AddDevice", mistyped)
    tablet = await added(ana, key, invitation)

    assert first == "PASSWORD_WRONG"
    assert (await tablet.wallet()).login_name == "ana"


async def test_who_has_no_device_any_more_is_let_in_by_the_operator(in_memory: World) -> None:
    ana = await in_memory.add_phone()
    await revoke(in_memory, ana)
    request = o.InviteCustomerDeviceRequest(login_name="ana")

    first = await in_memory.operator.call("InviteCustomerDevice", request)
    second = await in_memory.operator.call("InviteCustomerDevice", request)
    phone = await added(ana, DevicePrivateKey.generate(), second.invitation)

    assert first.invitation != second.invitation
    assert first.expires_at.ToMilliseconds() == START + 600_000
    assert [one.device_id for one in (await phone.wallet()).devices] == [phone.device_id]


async def test_the_operator_sees_devices_and_their_open_sessions(in_memory: World) -> None:
    ana = await in_memory.add_phone()
    in_memory.clock.move(seconds=20 * 24 * 3600)
    tablet = await in_memory.add_device(ana)
    await tablet.call("SignIn", sign_in_request(tablet))
    in_memory.clock.move(seconds=20 * 24 * 3600)

    listed = await in_memory.operator.call("ListDevices", o.ListDevicesRequest(login_name="ana"))

    assert [(one.device_id, one.name, one.sessions) for one in listed.devices] == [
        (ana.device_id, "phone", 0),
        (tablet.device_id, "other phone", 2),
    ]
    assert listed.devices[0].added_at.ToMilliseconds() == START


async def test_a_revoked_phone_is_refused_at_once_and_its_codes_are_dead(tallymark: World) -> None:
    ana = await tallymark.add_phone()
    lost = await tallymark.add_device(ana)
    till = await tallymark.add_terminal()
    stolen, own = await lost.issue(), await ana.issue()

    answer = await revoke(tallymark, lost)

    assert answer.codes_revoked == 1
    assert await lost.reason("GetWallet", c.GetWalletRequest()) == "CREDENTIALS_INVALID"
    assert await ana.reason("SignIn", sign_in_request(lost)) == "PASSWORD_WRONG"
    refused = till.resolve_request(stolen, earn(1))
    assert await till.reason("ResolveCode", refused) == "CODE_REVOKED"
    assert (await till.resolve(own, earn(1))).process_id


@pytest.mark.parametrize("ended_by", ["the operator", "another device", "another password"])
async def test_an_open_stream_ends_with_its_session(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, ended_by: str
) -> None:
    assert open_streams.RECHECK_SECONDS * 2 < STREAM_SECONDS_MAX
    monkeypatch.setattr(open_streams, "RECHECK_SECONDS", 0.02)
    ana = await in_memory.add_phone()
    lost = await in_memory.add_device(ana)
    till = await in_memory.add_terminal()
    await till.resolve(await ana.issue(), earn(1))
    stream, own = watching(lost), watching(ana)
    await stream.read()
    await own.read()

    if ended_by == "the operator":
        await revoke(in_memory, lost)
    elif ended_by == "another device":
        request = c.RemoveDeviceRequest(request_id=new_id(), device_id=lost.device_id)
        await ana.call("RemoveDevice", request)
    else:
        assert await change_password(ana) == 1

    async with asyncio.timeout(STREAM_SECONDS_MAX):
        assert await stream.code() is grpc.StatusCode.UNAUTHENTICATED
        await till.resolve(await ana.issue(), earn(1))
        assert await own.read() is not grpc.aio.EOF, "the others go on"
    own.cancel()


async def test_another_password_signs_everybody_else_out(tallymark: World) -> None:
    ana = await tallymark.add_phone()
    tablet = await tallymark.add_device(ana)
    await ana.call("SignIn", sign_in_request(ana))

    ended = await change_password(ana)

    assert ended == 2, "the tablet's, and the phone's other one"
    assert (await ana.wallet()).login_name == "ana"
    assert await tablet.reason("GetWallet", c.GetWalletRequest()) == "CREDENTIALS_INVALID"
    before = await tablet.reason("SignIn", sign_in_request(tablet))
    after = await tablet.reason("SignIn", sign_in_request(tablet, password=OTHER_PASSWORD))
    assert (before, after) == ("PASSWORD_WRONG", "OK")


async def test_the_operator_forgets_wrong_passwords(in_memory: World) -> None:
    ana = await in_memory.add_phone()
    for _ in range(3):
        await ana.reason("SignIn", sign_in_request(ana, password="wrong horse"))
    request = o.UnlockPasswordRequest(login_name="ana")

    first = await in_memory.operator.call("UnlockPassword", request)
    again = await in_memory.operator.call("UnlockPassword", request)

    assert (first.failures, again.failures) == (3, 0)


async def test_what_the_operator_does_for_a_customer_is_in_the_journal(in_memory: World) -> None:
    ana = await in_memory.add_phone()
    await ana.reason("SignIn", sign_in_request(ana, password="wrong horse"))
    before = len(await journal(in_memory))

    await in_memory.operator.call(
        "InviteCustomerDevice", o.InviteCustomerDeviceRequest(login_name="ana")
    )
    await in_memory.operator.call("UnlockPassword", o.UnlockPasswordRequest(login_name="ana"))
    await revoke(in_memory, ana)
    await in_memory.operator.call("ListDevices", o.ListDevicesRequest(login_name="ana"))

    entries = (await journal(in_memory))[before:]
    assert [entry.record.command for entry in entries] == [
        "InviteDevice",
        "UnlockPassword",
        "RevokeDevice",
    ]
    assert {entry.record.caller for entry in entries} == {"operator/first"}


async def test_one_key_may_serve_two_customers_and_opens_neither_s_account_to_the_other(
    in_memory: World,
) -> None:
    """Whoever holds a key holds all that it opens; nothing is found by it, so nothing mixed up."""
    ana = await in_memory.add_phone()
    bob = Phone(ana.stub)
    bob.device_key = ana.device_key
    answer = await bob.call("RegisterCustomer", register_request("bob", bob.device_key))
    bob.secret, bob.device_id, bob.login_name = answer.session_token, answer.device_id, "bob"

    signed_for_ana = sign_in_request(ana)
    signed_for_ana.login_name, signed_for_ana.device_id = "bob", bob.device_id
    crossed = sign_in_request(bob, device_id=ana.device_id)

    assert await bob.reason("SignIn", signed_for_ana) == "PASSWORD_WRONG"
    assert await bob.reason("SignIn", crossed) == "PASSWORD_WRONG"
    assert await bob.reason("SignIn", sign_in_request(bob)) == "OK"
    await revoke(in_memory, bob)
    assert (await ana.wallet()).login_name == "ana", "it is the device that is revoked"


async def test_no_stranger_makes_the_server_look_at_a_password(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a device's key or an invitation nothing is hashed, and no try is counted."""
    ana = await in_memory.add_phone()
    worked: Counter[str] = Counter()
    for name in ("hash", "check"):
        monkeypatch.setattr(Turn, name, _counted(getattr(Turn, name), worked))
    stranger = Phone(ana.stub)
    stranger.device_key = DevicePrivateKey.generate()
    unsigned = register_request("dan", stranger.device_key)
    unsigned.device_proof = bytes(64)

    reasons = [
        await stranger.reason(rpc, request)
        for rpc, request in (
            ("SignIn", sign_in_request(stranger, login_name="ana", device_id=ana.device_id)),
            ("SignIn", sign_in_request(stranger, login_name="nobody", device_id=ana.device_id)),
            ("AddDevice", add_device_request("ana", stranger.device_key, invitation="tmi_a")),
            ("AddDevice", add_device_request("nobody", stranger.device_key, invitation="tmi_a")),
            ("RegisterCustomer", unsigned),
        )
    ]

    assert reasons == [
        *["PASSWORD_WRONG"] * 2,
        *["INVITATION_INVALID"] * 2,
        "DEVICE_PROOF_WRONG",
    ]
    assert not worked
    assert await ana.reason("SignIn", sign_in_request(ana)) == "OK"
    assert worked == {"check": 1}


def _counted(method: Any, worked: Counter[str]) -> Any:
    async def counted(*arguments: Any) -> Any:
        worked[method.__name__] += 1
        return await method(*arguments)

    return counted


async def journal(world: World) -> list[Any]:
    return list(await world.store.journal(DIRECTORY, after_sequence=0, limit=ROWS_MAX))
