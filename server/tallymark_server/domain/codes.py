"""Issuing and revoking codes. Claiming one is part of resolving it."""

from typing import Final

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CodeAnswer, Done
from tallymark_server.domain.commands import IssueCode, RevokeCode, TerminalTag
from tallymark_server.domain.model.merchants import Merchant, Terminal, TerminalState
from tallymark_server.domain.model.people import Customer, Device, LiveCode
from tallymark_server.domain.model.processes import Code, CodePurpose, CodeState
from tallymark_server.domain.model.registrations import Bill, Ticket
from tallymark_server.domain.policy import current_policy, needs_password
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft, Key

__all__ = ["LIVE_CODES_MAX", "issue_code", "revoke_code", "revoke_live_codes"]

LIVE_CODES_MAX: Final = 20
"""Unused codes of one device; beyond them the oldest dies. A good phone has two or three."""


def issue_code(draft: Draft, command: IssueCode, now: int) -> CodeAnswer:
    """Keep the code, after checking that everything chosen is the customer's."""
    device = _device(draft, command)
    if needs_password(current_policy(draft), command.purpose) and command.password is None:
        raise Refused(Reason.PASSWORD_REQUIRED)
    _check_choices(draft, command)
    bound_to = _tagged(draft, command.tag)
    code = Code(
        partition=command.partition,
        expires_at_seconds=command.expires_at_seconds,
        cti_hash=command.cti_hash,
        text_hash=command.text_hash,
        key_id=command.key_id,
        customer_id=command.caller.caller_id,
        device_id=device.device_id,
        purpose=command.purpose,
        issued_at=now,
        audience=command.tag.terminal_id if command.tag else "",
        card_id=command.card_id,
        bill=command.bill,
        ticket=command.ticket,
    )
    draft.put(code)
    _remember(draft, device, code, now)
    return CodeAnswer(
        cti_hash=code.cti_hash,
        key_id=code.key_id,
        expires_at_seconds=code.expires_at_seconds,
        issued_at=now,
        bound_terminal_id=code.audience,
        bound_merchant_name=bound_to.name if bound_to else "",
    )


def revoke_code(draft: Draft, command: RevokeCode) -> Done:
    """Revoke the device's unused codes, of one purpose or all."""
    return Done(count=revoke_live_codes(draft, _device(draft, command), command.purpose))


def revoke_live_codes(draft: Draft, device: Device, purpose: CodePurpose | None) -> int:
    """Revoke the device's unused codes and return how many there were."""
    doomed = [live for live in device.live_codes if purpose is None or live.purpose == purpose]
    draft.fetch(*(_code_key(device, live) for live in doomed))
    revoked = sum(_revoke(draft, device, live) for live in doomed)
    left = tuple(live for live in device.live_codes if live not in doomed)
    draft.put(msgspec.structs.replace(device, live_codes=left))
    return revoked


def _remember(draft: Draft, device: Device, code: Code, now: int) -> None:
    """Add the code to the device's live ones.

    Those over their time are forgotten; if there are too many, the oldest is revoked.
    """
    live = [one for one in device.live_codes if one.expires_at > now]
    live.append(
        LiveCode(
            code_text=code.text,
            purpose=code.purpose,
            expires_at=code.expires_at_seconds * 1000,
        )
    )
    doomed, kept = live[:-LIVE_CODES_MAX], live[-LIVE_CODES_MAX:]
    draft.fetch(*(_code_key(device, one) for one in doomed))
    for one in doomed:
        _revoke(draft, device, one)
    draft.put(msgspec.structs.replace(device, live_codes=tuple(kept)))


def _revoke(draft: Draft, device: Device, live: LiveCode) -> bool:
    code = draft.get(_code_key(device, live))
    if code is None or code.state is not CodeState.ISSUED:
        return False
    draft.put(msgspec.structs.replace(code, state=CodeState.REVOKED))
    return True


def _check_choices(draft: Draft, command: IssueCode) -> None:
    customer = draft.get(Customer.key_of(command.partition, command.caller.caller_id))
    assert customer is not None, "a signed-in customer exists"
    if command.card_id and command.card_id not in {card.card_id for card in customer.cards}:
        raise Refused(Reason.CARD_NOT_FOUND)
    if command.bill is not None:
        chosen = command.bill
        bill = draft.get(Bill.key_of(command.partition, chosen.merchant_id, chosen.bill_reference))
        if bill is None or bill.customer_id != customer.customer_id:
            raise Refused(Reason.BILL_NOT_FOUND)
    if command.ticket is not None:
        named = command.ticket
        ticket = draft.get(Ticket.key_of(command.partition, named.event_id, named.ticket_id))
        if ticket is None or ticket.customer_id != customer.customer_id:
            raise Refused(Reason.TICKET_NOT_FOUND)


def _tagged(draft: Draft, tag: TerminalTag | None) -> Merchant | None:
    """Return the merchant at whose terminal the tag was scanned."""
    if tag is None:
        return None
    keys = (Terminal.key_of(tag.terminal_id), Merchant.key_of(tag.merchant_id))
    draft.fetch(*keys)
    terminal = draft.get(keys[0])
    if terminal is None or terminal.state is not TerminalState.ENROLLED:
        raise Refused(Reason.TAG_INVALID)
    if terminal.merchant_id != tag.merchant_id:
        raise Refused(Reason.TAG_INVALID)
    return draft.get(keys[1])


def _device(draft: Draft, command: IssueCode | RevokeCode) -> Device:
    key = Device.key_of(command.partition, command.caller.device_id)
    draft.fetch(key, Customer.key_of(command.partition, command.caller.caller_id))
    device = draft.get(key)
    if device is None or device.removed:
        raise Refused(Reason.DEVICE_NOT_FOUND)
    return device


def _code_key(device: Device, live: LiveCode) -> Key[Code]:
    return Key(Code, device.partition, live.code_text)
