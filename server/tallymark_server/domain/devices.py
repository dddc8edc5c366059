"""A customer's devices: invited, added with a key, removed by the customer or the operator.

An invitation stands for a device that the customer has: the password alone adds none. It is good
once, for a short time, for this customer; a wrong password does not use it up.
"""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done, InvitationAnswer, SessionAnswer
from tallymark_server.domain.codes import revoke_live_codes
from tallymark_server.domain.commands import (
    AddDevice,
    InviteDevice,
    RegisterCustomer,
    RemoveDevice,
    RevokeDevice,
)
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Customer, Device, Invitation
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.sessions import end_sessions, start_session
from tallymark_server.domain.state import Draft

__all__ = [
    "DEVICES_MAX",
    "INVITATIONS_MAX",
    "INVITATION_SECONDS",
    "add_device",
    "invite_device",
    "is_invited",
    "put_new_device",
    "remove_device",
    "revoke_device",
]

DEVICES_MAX: Final = 10

INVITATION_SECONDS: Final = 600
"""Long enough to install the program on the new phone."""

INVITATIONS_MAX: Final = 5
"""Open invitations of one customer; beyond them the oldest one is dead."""


def invite_device(draft: Draft, command: InviteDevice, now: int) -> InvitationAnswer:
    """Make an invitation."""
    customer = _customer(draft, command.partition, command.customer_id)
    is_own = command.caller.kind is CallerKind.CUSTOMER
    if is_own and command.caller.device_id not in customer.device_ids:  # removed just now
        raise Refused(Reason.CREDENTIALS_INVALID)
    invitation = Invitation(
        code_hash=command.code_hash,
        expires_at=now + INVITATION_SECONDS * 1000,
        device_id=command.caller.device_id,
    )
    open_ones = (one for one in customer.invitations if now < one.expires_at)
    kept = (*open_ones, invitation)[-INVITATIONS_MAX:]
    draft.put(msgspec.structs.replace(customer, invitations=kept))
    return InvitationAnswer(expires_at=invitation.expires_at)


def is_invited(customer: Customer, code_hash: str, now: int) -> bool:
    """Say whether this is an invitation of the customer, not used yet and in time."""
    return any(one.code_hash == code_hash and now < one.expires_at for one in customer.invitations)


def add_device(draft: Draft, command: AddDevice, now: int) -> SessionAnswer:
    """Add a device, use up the invitation, and sign the device in."""
    customer = _customer(draft, command.partition, command.customer_id)
    if not is_invited(customer, command.invitation_hash, now):
        raise Refused(Reason.INVITATION_INVALID)
    if len(customer.device_ids) >= DEVICES_MAX:
        raise Refused(Reason.TOO_MANY_REGISTRATIONS, limit=str(DEVICES_MAX), what="devices")
    left = tuple(one for one in customer.invitations if one.code_hash != command.invitation_hash)
    return put_new_device(draft, command, msgspec.structs.replace(customer, invitations=left), now)


def put_new_device(
    draft: Draft, command: RegisterCustomer | AddDevice, customer: Customer, now: int
) -> SessionAnswer:
    """Keep the customer with one more device, signed in."""
    device = Device(
        partition=command.partition,
        device_id=command.device_id,
        customer_id=customer.customer_id,
        name=command.device_name,
        public_key=command.device_key,
        added_at=now,
    )
    device_ids = (*customer.device_ids, device.device_id)
    draft.put(msgspec.structs.replace(customer, device_ids=device_ids))
    return start_session(draft, device, command.token_hash, now)


def remove_device(draft: Draft, command: RemoveDevice, now: int) -> Done:
    """Remove a device of the calling customer."""
    customer = _customer(draft, command.partition, command.caller.caller_id)
    if command.device_id not in customer.device_ids:
        raise Refused(Reason.DEVICE_NOT_FOUND)
    return _remove(draft, customer, command.device_id, now)


def revoke_device(draft: Draft, command: RevokeDevice, now: int) -> Done:
    """Remove a customer's device at the operator's word. Repeating it changes nothing."""
    customer = _customer(draft, command.partition, command.customer_id)
    if command.device_id in customer.device_ids:
        return _remove(draft, customer, command.device_id, now)
    device = draft.get(Device.key_of(command.partition, command.device_id))
    if device is None or device.customer_id != customer.customer_id:
        raise Refused(Reason.DEVICE_NOT_FOUND)
    return Done()


def _remove(draft: Draft, customer: Customer, device_id: str, now: int) -> Done:
    """End the device's sessions, revoke its codes, and let nobody in whom it has invited."""
    key = Device.key_of(customer.partition, device_id)
    device = draft.get(key)
    assert device is not None, "a customer's device exists"
    count = revoke_live_codes(draft, device, None)
    device = draft.get(key) or device
    end_sessions(draft, [msgspec.structs.replace(device, removed=True)], now)
    left = tuple(one for one in customer.device_ids if one != device_id)
    invited = tuple(one for one in customer.invitations if one.device_id != device_id)
    draft.put(msgspec.structs.replace(customer, device_ids=left, invitations=invited))
    return Done(count=count)


def _customer(draft: Draft, partition: int, customer_id: str) -> Customer:
    customer = draft.get(Customer.key_of(partition, customer_id))
    assert customer is not None, "whoever asks has found this customer"
    return customer
