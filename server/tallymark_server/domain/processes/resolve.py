"""ResolveCode: find out who stands at the terminal, and whether all that is asked may be done.

1. Find the code and check that it is good now, here (audience), for the first time.
2. Claim it for this request; its siblings on the phone die.
3. Grant every action, or decline.
4. Ask the customer if the policy wants it, else proceed.

A telephone number goes another way (`telephone.py`).
"""

from typing import Any

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ProcessAnswer, RefusedAnswer
from tallymark_server.domain.commands import CodeIdentification, ResolveCode
from tallymark_server.domain.identifiers import make_id
from tallymark_server.domain.model.actions import Action, AdmitAsk, ChargeAsk
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    PointsProgramme,
    Policy,
    Terminal,
)
from tallymark_server.domain.model.people import Customer, Device, LiveCode, NumberOwner
from tallymark_server.domain.model.processes import Code, CodeState, Process, ProcessState
from tallymark_server.domain.model.tallies import TerminalDay
from tallymark_server.domain.policy import current_policy, needs_confirmation
from tallymark_server.domain.processes.lifecycle import await_customer, end, grant, proceed, save
from tallymark_server.domain.processes.telephone import resolve_number
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft, Key
from tallymark_server.domain.unconfirmed import count_unconfirmed

__all__ = ["is_over", "resolve"]


def resolve(draft: Draft, command: ResolveCode, now: int) -> ProcessAnswer | RefusedAnswer:
    """Decide a ResolveCode."""
    merchant = _fetch_merchant(draft, command)
    process = _new_process(command, merchant, current_policy(draft), now)
    if isinstance(command.identification, CodeIdentification):
        return _resolve_code(draft, process, command.identification, now)
    process = msgspec.structs.replace(process, by_telephone=True, digits=command.digits)
    return resolve_number(draft, process, command.identification, now)


def is_over(code: Code, now: int) -> bool:
    """Say whether the code's time is over: its expiry is the first moment that it is not good."""
    return now >= code.expires_at_seconds * 1000


def _resolve_code(
    draft: Draft, process: Process, identification: CodeIdentification, now: int
) -> ProcessAnswer | RefusedAnswer:
    key = Code.key_of(process.partition, identification.expires_at_seconds, identification.cti_hash)
    code = draft.get(key)
    if code is None:  # an old one was removed; its expiry is signed
        is_past = now >= identification.expires_at_seconds * 1000
        raise Refused(Reason.CODE_EXPIRED if is_past else Reason.CODE_NOT_FOUND)
    if code.text_hash != identification.text_hash:  # the MAC cannot cover the signature
        raise Refused(Reason.CODE_NOT_GENUINE)
    if code.audience and code.audience != process.terminal_id:
        raise Refused(Reason.CODE_FOR_OTHER_TERMINAL)
    if code.state is CodeState.REVOKED:
        raise Refused(Reason.CODE_REVOKED)
    if code.state is not CodeState.ISSUED:
        _contest(draft, code, process.terminal_id)
        return RefusedAnswer(reason=Reason.CODE_ALREADY_CLAIMED)
    if is_over(code, now):
        raise Refused(Reason.CODE_EXPIRED)
    owner = Customer.key_of(code.partition, code.customer_id)
    draft.fetch(owner, Device.key_of(code.partition, code.device_id))
    _claim(draft, code, process.process_id)
    process = msgspec.structs.replace(
        process,
        customer_id=code.customer_id,
        purpose=code.purpose,
        code_text=code.text,
        is_bound=code.audience == process.terminal_id,
        card_id=code.card_id,
        bill=code.bill,
        ticket=code.ticket,
    )
    process = grant(draft, process, now)
    return ProcessAnswer(process=save(draft, None, _after_grant(draft, process, now)))


def _after_grant(draft: Draft, process: Process, now: int) -> Process:
    refusals = [action.refusal for action in process.actions if action.refusal]
    if refusals:
        return end(draft, process, ProcessState.DECLINED, refusals[0], now)
    if needs_confirmation(draft, process):
        return await_customer(process)
    count_unconfirmed(draft, current_policy(draft), process)
    return proceed(draft, process, now)


def _claim(draft: Draft, code: Code, process_id: str) -> None:
    """Give the code to this process, and revoke the device's other codes of the same purpose."""
    draft.put(msgspec.structs.replace(code, state=CodeState.CLAIMED, process_id=process_id))
    device = draft.get(Device.key_of(code.partition, code.device_id))
    assert device is not None, "a code's device exists"
    siblings = [
        Key(Code, code.partition, live.code_text)
        for live in device.live_codes
        if live.purpose == code.purpose and live.code_text != code.text
    ]
    draft.fetch(*siblings)
    for key in siblings:
        sibling = draft.get(key)
        if sibling is not None and sibling.state is CodeState.ISSUED:
            draft.put(msgspec.structs.replace(sibling, state=CodeState.REVOKED))
    left: tuple[LiveCode, ...] = tuple(
        live for live in device.live_codes if live.purpose != code.purpose
    )
    draft.put(msgspec.structs.replace(device, live_codes=left))


def _contest(draft: Draft, code: Code, terminal_id: str) -> None:
    """Freeze what takes money unconfirmed, when another terminal shows its code too."""
    before = draft.get(Process.key_of(code.process_id))
    assert before is not None, "a claimed code has a process"
    is_money = before.card_total is not None and before.card_total.minor_units > 0
    if not is_money or before.is_confirmed or before.is_contested:
        return
    if before.terminal_id == terminal_id:
        return
    if before.state in {ProcessState.INSTRUCTED, ProcessState.OVERDUE}:
        contested = msgspec.structs.replace(
            before, state=ProcessState.CONTESTED, is_contested=True, timer_at=0
        )
        save(draft, before, contested)
    elif before.state is ProcessState.AUTHORISING:
        save(draft, before, msgspec.structs.replace(before, is_contested=True))


def _fetch_merchant(draft: Draft, command: ResolveCode) -> Merchant:
    """Ask for everything that the command names at once, so that a batch loads it together."""
    keys: list[Key[Any]] = []
    for ask in command.asks:
        if isinstance(ask, AdmitAsk):
            keys.append(Event.key_of(ask.event_id))
        if isinstance(ask, ChargeAsk):
            terminal_id = command.caller.caller_id
            keys += [Terminal.key_of(terminal_id), TerminalDay.key_of(terminal_id)]
    key = Merchant.key_of(command.caller.merchant_id)
    draft.fetch(key, Policy.key_of_current(), _named_key(command), *keys)
    merchant = draft.get(key)
    assert merchant is not None, "a terminal's merchant exists"
    if merchant.programme_id:
        draft.fetch(PointsProgramme.key_of(merchant.programme_id))
    return merchant


def _named_key(command: ResolveCode) -> Key[Code] | Key[NumberOwner]:
    shown = command.identification
    if isinstance(shown, CodeIdentification):
        return Code.key_of(command.partition, shown.expires_at_seconds, shown.cti_hash)
    return NumberOwner.key_of(shown.number_hash)


def _new_process(command: ResolveCode, merchant: Merchant, policy: Policy, now: int) -> Process:
    assert command.request is not None, "ResolveCode always has a request_id"
    return Process(
        partition=command.partition,
        process_id=make_id(command.partition, now, command.fresh),
        customer_id="",
        merchant_id=merchant.merchant_id,
        merchant_name=merchant.name,
        terminal_id=command.caller.caller_id,
        request_id=command.request.request_id,
        state=ProcessState.AWAITING_CUSTOMER,
        created_at=now,
        policy_version=policy.version,
        actions=tuple(Action(ask=ask) for ask in command.asks),
        programme_id=merchant.programme_id,
        sale_total=command.sale_total,
        completes_on_instruction=command.complete_on_instruction,
        execute_within_seconds=policy.execute_within_seconds,
        confirm_within_seconds=policy.confirm_within_seconds,
        closes_at=now + policy.close_after_seconds * 1000,
    )
