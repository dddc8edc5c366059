"""Sessions: how a device gets one, and what ends them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done, SessionAnswer
from tallymark_server.domain.commands import ChangePassword, OpenSession
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.people import Customer, Device, Session
from tallymark_server.domain.policy import current_policy
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["SESSIONS_MAX", "change_password", "end_sessions", "open_session", "start_session"]

SESSIONS_MAX: Final = 5
"""Open sessions of one device; beyond them the oldest one ends."""


def open_session(draft: Draft, command: OpenSession, now: int) -> SessionAnswer:
    """Sign a known device in."""
    device = draft.get(Device.key_of(command.partition, command.device_id))
    if device is None or device.removed or device.customer_id != command.customer_id:
        raise Refused(Reason.PASSWORD_WRONG)
    return start_session(draft, device, command.token_hash, now)


def change_password(draft: Draft, command: ChangePassword, now: int) -> Done:
    """Set another password; whoever knew the one before is signed out everywhere else.

    A session that ended while the passwords were hashed sets none: its device was just cut off.
    """
    if draft.get(Session.key_of(command.caller.session)) is None:
        raise Refused(Reason.CREDENTIALS_INVALID)
    customer = draft.get(Customer.key_of(command.partition, command.caller.caller_id))
    assert customer is not None, "a signed-in customer exists"
    keys = [Device.key_of(command.partition, device_id) for device_id in customer.device_ids]
    draft.fetch(*keys)
    devices = [device for key in keys if (device := draft.get(key))]
    ended = end_sessions(draft, devices, now, but=command.caller.session)
    draft.put(
        msgspec.structs.replace(
            customer,
            password_hash=command.password_hash,
            password_version=customer.password_version + 1,
        )
    )
    return Done(count=ended)


def start_session(draft: Draft, device: Device, token_hash: str, now: int) -> SessionAnswer:
    """Keep the device with one more session."""
    expires_at = now + current_policy(draft).session_life_seconds * 1000
    texts = (*device.session_texts, token_hash)
    for ended in texts[:-SESSIONS_MAX]:
        draft.delete(Session.key_of(ended))
    draft.put(msgspec.structs.replace(device, session_texts=texts[-SESSIONS_MAX:]))
    draft.put(
        Session(
            partition=DIRECTORY,
            token_hash=token_hash,
            customer_id=device.customer_id,
            device_id=device.device_id,
            expires_at=expires_at,
        )
    )
    return SessionAnswer(
        customer_id=device.customer_id,
        device_id=device.device_id,
        session_expires_at=expires_at,
    )


def end_sessions(draft: Draft, devices: Iterable[Device], now: int, *, but: str = "") -> int:
    """End all sessions of these devices but one, and return how many were not over yet."""
    devices = list(devices)
    ended = [text for device in devices for text in device.session_texts if text != but]
    keys = [Session.key_of(text) for text in ended]
    draft.fetch(*keys)
    sessions = [session for key in keys if (session := draft.get(key))]
    for key in keys:
        draft.delete(key)
    for device in devices:
        left = tuple(text for text in device.session_texts if text == but)
        draft.put(msgspec.structs.replace(device, session_texts=left))
    return sum(now < session.expires_at for session in sessions)
