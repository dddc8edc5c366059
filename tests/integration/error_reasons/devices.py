"""Reasons that have to do with devices: their keys, invitations, signing in, cutting off."""

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import operator_service_pb2 as operator
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.reasons import Reason
from tests.integration.error_reasons.case import Case
from tests.world.actor import Actor
from tests.world.calls import Call
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.signed_requests import (
    add_device_request,
    key_message,
    register_request,
    sign_in_request,
)
from tests.world.stage import Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch

NO_ID = "00" + "f" * 32

TRIED = frozenset({"password_tries"})
"""A password was compared, and the try is counted."""


async def registering_with_a_key_of_somebody_else(stage: Stage, _: _Patch) -> Call:
    request = register_request("cyd", DevicePrivateKey.generate())
    request.device_key.CopyFrom(key_message(DevicePrivateKey.generate()))
    return _call(stage, request)


async def registering_with_half_a_key(stage: Stage, _: _Patch) -> Call:
    request = register_request("cyd", DevicePrivateKey.generate())
    request.device_key.key_bytes = request.device_key.key_bytes[:16]
    return _call(stage, request)


async def a_registration_under_another_name(stage: Stage, _: _Patch) -> Call:
    request = register_request("cyd", DevicePrivateKey.generate())
    request.login_name = "dan"
    return _call(stage, request)


async def adding_by_the_proof_of_a_registration(stage: Stage, _: _Patch) -> Call:
    key = DevicePrivateKey.generate()
    request = await _invited(stage, key=key)
    registration = register_request("ana", key, request_id=request.request_id)
    request.device_proof = registration.device_proof
    return _call(stage, request)


async def adding_by_no_invitation(stage: Stage, _: _Patch) -> Call:
    return _call(stage, _uninvited(f"tmi_{'A' * 43}"))


async def adding_to_nobody(stage: Stage, _: _Patch) -> Call:
    invitation = (await _invited(stage)).invitation
    return _call(stage, _uninvited(invitation, login_name="nobody"))


async def adding_by_bob_s_invitation(stage: Stage, _: _Patch) -> Call:
    return _call(stage, _uninvited((await _invited(stage, stage.bob)).invitation))


async def adding_a_second_device_by_an_invitation(stage: Stage, _: _Patch) -> Call:
    request = await _invited(stage)
    await stage.ana.call("AddDevice", request)
    return _call(stage, _uninvited(request.invitation))


async def adding_after_ten_minutes(stage: Stage, _: _Patch) -> Call:
    request = await _invited(stage)
    stage.world.clock.move(seconds=600)
    return _call(stage, request)


async def adding_by_the_oldest_of_six_invitations(stage: Stage, _: _Patch) -> Call:
    request = await _invited(stage)
    for _number in range(5):
        await stage.ana.call("InviteDevice", customer.InviteDeviceRequest(request_id=new_id()))
    return _call(stage, request)


async def adding_by_the_invitation_of_a_revoked_phone(stage: Stage, _: _Patch) -> Call:
    lost = await stage.world.add_device(stage.ana)
    request = await _invited(stage, lost)
    await _revoke(stage, lost)
    return _call(stage, request)


async def adding_with_another_password(stage: Stage, _: _Patch) -> Call:
    return _call(stage, await _invited(stage, password="wrong horse"))


async def signing_in_with_another_password(stage: Stage, _: _Patch) -> Call:
    return _call(stage, sign_in_request(stage.ana, password="wrong horse"))


async def signing_in_with_another_key(stage: Stage, _: _Patch) -> Call:
    request = sign_in_request(stage.ana)
    request.device_proof = sign_in_request(stage.bob).device_proof
    return _call(stage, request)


async def signing_in_as_nobody(stage: Stage, _: _Patch) -> Call:
    return _call(stage, sign_in_request(stage.ana, login_name="nobody"))


async def signing_in_on_no_device(stage: Stage, _: _Patch) -> Call:
    return _call(stage, sign_in_request(stage.ana, device_id=NO_ID))


async def signing_in_on_a_revoked_phone(stage: Stage, _: _Patch) -> Call:
    lost = await stage.world.add_device(stage.ana)
    await _revoke(stage, lost)
    return _call(stage, sign_in_request(lost))


async def changing_the_password_by_another_one(stage: Stage, _: _Patch) -> Call:
    request = customer.ChangePasswordRequest(
        request_id=new_id(), password="wrong horse", new_password="battery horse staple"
    )
    return Call(stage.ana, "ChangePassword", request)


async def an_eleventh_device(stage: Stage, _: _Patch) -> Call:
    for _number in range(9):
        await stage.world.add_device(stage.ana)
    return _call(stage, await _invited(stage))


async def calling_from_a_revoked_phone(stage: Stage, _: _Patch) -> Call:
    lost = await stage.world.add_device(stage.ana)
    await _revoke(stage, lost)
    return Call(lost, "GetWallet", customer.GetWalletRequest())


async def calling_in_a_session_from_before_another_password(stage: Stage, _: _Patch) -> Call:
    other = await stage.world.add_device(stage.ana)
    request = customer.ChangePasswordRequest(
        request_id=new_id(), password="correct horse", new_password="battery horse staple"
    )
    await stage.ana.call("ChangePassword", request)
    return Call(other, "GetWallet", customer.GetWalletRequest())


async def removing_no_device(stage: Stage, _: _Patch) -> Call:
    request = customer.RemoveDeviceRequest(request_id=new_id(), device_id=NO_ID)
    return Call(stage.ana, "RemoveDevice", request)


async def revoking_a_device_of_bob(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeDeviceRequest(login_name="ana", device_id=stage.bob.device_id)
    return Call(stage.operator, "RevokeDevice", request)


async def listing_devices_of_nobody(stage: Stage, _: _Patch) -> Call:
    return Call(stage.operator, "ListDevices", operator.ListDevicesRequest(login_name="nobody"))


async def revoking_a_device_of_nobody(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeDeviceRequest(login_name="nobody", device_id=stage.ana.device_id)
    return Call(stage.operator, "RevokeDevice", request)


async def inviting_nobody(stage: Stage, _: _Patch) -> Call:
    request = operator.InviteCustomerDeviceRequest(login_name="nobody")
    return Call(stage.operator, "InviteCustomerDevice", request)


async def unlocking_nobody(stage: Stage, _: _Patch) -> Call:
    request = operator.UnlockPasswordRequest(login_name="nobody")
    return Call(stage.operator, "UnlockPassword", request)


def _call(stage: Stage, request: object) -> Call:
    """Make the call of this request as somebody without a session."""
    rpc = type(request).__name__.removesuffix("Request")
    return Call(Actor(stage.ana.stub), rpc, request)


async def _invited(
    stage: Stage,
    by: Phone | None = None,
    *,
    key: DevicePrivateKey | None = None,
    **more: str,
) -> customer.AddDeviceRequest:
    """Return a request to add a device of ana, by her invitation or by another phone's."""
    invite = customer.InviteDeviceRequest(request_id=new_id())
    answer = await (by or stage.ana).call("InviteDevice", invite)
    key = key or DevicePrivateKey.generate()
    return add_device_request("ana", key, invitation=answer.invitation, **more)


def _uninvited(invitation: str, login_name: str = "ana") -> customer.AddDeviceRequest:
    return add_device_request(login_name, DevicePrivateKey.generate(), invitation=invitation)


async def _revoke(stage: Stage, phone: Phone) -> None:
    request = operator.RevokeDeviceRequest(login_name="ana", device_id=phone.device_id)
    await stage.operator.call("RevokeDevice", request)


CASES = (
    *(
        Case(reason=Reason.DEVICE_PROOF_WRONG, arrange=arrange)
        for arrange in (
            registering_with_a_key_of_somebody_else,
            registering_with_half_a_key,
            a_registration_under_another_name,
            adding_by_the_proof_of_a_registration,
        )
    ),
    *(
        Case(reason=Reason.INVITATION_INVALID, arrange=arrange)
        for arrange in (
            adding_by_no_invitation,
            adding_to_nobody,
            adding_by_bob_s_invitation,
            adding_a_second_device_by_an_invitation,
            adding_after_ten_minutes,
            adding_by_the_oldest_of_six_invitations,
            adding_by_the_invitation_of_a_revoked_phone,
        )
    ),
    *(
        Case(reason=Reason.PASSWORD_WRONG, arrange=arrange)
        for arrange in (
            signing_in_with_another_key,
            signing_in_as_nobody,
            signing_in_on_no_device,
            signing_in_on_a_revoked_phone,
        )
    ),
    *(
        Case(reason=Reason.PASSWORD_WRONG, arrange=arrange, changes=TRIED)
        for arrange in (
            adding_with_another_password,
            signing_in_with_another_password,
            changing_the_password_by_another_one,
        )
    ),
    Case(
        reason=Reason.TOO_MANY_REGISTRATIONS,
        arrange=an_eleventh_device,
        metadata={"limit": "10", "what": "devices"},
        changes=TRIED,
    ),
    Case(reason=Reason.CREDENTIALS_INVALID, arrange=calling_from_a_revoked_phone),
    Case(
        reason=Reason.CREDENTIALS_INVALID,
        arrange=calling_in_a_session_from_before_another_password,
    ),
    Case(reason=Reason.DEVICE_NOT_FOUND, arrange=removing_no_device),
    Case(reason=Reason.DEVICE_NOT_FOUND, arrange=revoking_a_device_of_bob),
    *(
        Case(reason=Reason.CUSTOMER_NOT_FOUND, arrange=arrange)
        for arrange in (
            listing_devices_of_nobody,
            revoking_a_device_of_nobody,
            inviting_nobody,
            unlocking_nobody,
        )
    ),
)
