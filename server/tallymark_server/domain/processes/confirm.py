"""What the customer says about a process: yes, no, or "that was not me".

A yes and a no count only with the signature of the customer's device over everything that the
customer was shown. What was signed is compared with what would be done now, at the decision: the
process may have changed on the way, and so may the answer.
"""

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ProcessAnswer
from tallymark_server.domain.commands import ConfirmProcess, DisputeProcess
from tallymark_server.domain.model.actions import Refusal, RefusalReason
from tallymark_server.domain.model.people import Device
from tallymark_server.domain.model.processes import Process, ProcessState, SignedAnswer
from tallymark_server.domain.processes.lifecycle import end, grant, instruct, proceed, save
from tallymark_server.domain.processes.statement import statement_of
from tallymark_server.domain.processes.telephone import as_previewed
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft

__all__ = ["confirm", "dispute"]


def confirm(draft: Draft, command: ConfirmProcess, now: int) -> ProcessAnswer:
    """Decide a ConfirmProcess."""
    before = _own_process(draft, command.caller.caller_id, command.process_id)
    is_open = before.state is ProcessState.AWAITING_CUSTOMER and now < before.confirm_by
    if not is_open and before.state is not ProcessState.CONTESTED:
        raise Refused(Reason.PROCESS_NOT_AWAITING, state=before.state.name)
    answered = _keep_answer(before, command, _check_signature(draft, command, before, now))
    if answered.state is ProcessState.CONTESTED:
        after = _answer_contest(draft, answered, approve=command.approve, now=now)
    elif not command.approve:
        after = end(draft, answered, ProcessState.DECLINED, RefusalReason.CUSTOMER_DECLINED, now)
    elif answered.by_telephone and command.digits != answered.digits:
        after = end(draft, answered, ProcessState.DECLINED, RefusalReason.DIGITS_WRONG, now)
    else:
        after = _approve(draft, answered, command, now)
    return ProcessAnswer(process=save(draft, before, after))


def dispute(draft: Draft, command: DisputeProcess, now: int) -> ProcessAnswer:
    """Decide a DisputeProcess.

    What is open is stopped, what is instructed is frozen, what is done is marked.
    """
    before = _own_process(draft, command.caller.caller_id, command.process_id)
    if before.is_final and before.state is not ProcessState.COMPLETED:
        return ProcessAnswer(process=before)  # nothing was done, so nothing is in dispute
    after = msgspec.structs.replace(before, is_disputed=True, statement=command.statement)
    match before.state:
        case ProcessState.AWAITING_CUSTOMER:
            after = end(draft, after, ProcessState.DECLINED, RefusalReason.CUSTOMER_DECLINED, now)
        case ProcessState.AUTHORISING:
            after = msgspec.structs.replace(after, is_contested=True)
        case ProcessState.INSTRUCTED | ProcessState.OVERDUE:
            after = msgspec.structs.replace(
                after, is_contested=True, state=ProcessState.CONTESTED, timer_at=0
            )
        case _:
            pass
    return ProcessAnswer(process=save(draft, before, after))


def _answer_contest(draft: Draft, before: Process, *, approve: bool, now: int) -> Process:
    if not approve and before.execute_by and now >= before.execute_by:
        return msgspec.structs.replace(before, is_disputed=True)  # goods may be gone
    if not approve:
        return end(draft, before, ProcessState.RELEASED, RefusalReason.CUSTOMER_DECLINED, now)
    confirmed = msgspec.structs.replace(
        before, is_contested=False, is_confirmed=True, is_disputed=False
    )
    return instruct(draft, confirmed, now)


def _approve(draft: Draft, answered: Process, command: ConfirmProcess, now: int) -> Process:
    confirmed = msgspec.structs.replace(answered, is_confirmed=True)
    if answered.by_telephone and not _refusals(answered):  # a refused one showed no amounts
        asked = tuple(as_previewed(action) for action in answered.actions)
        confirmed = grant(draft, msgspec.structs.replace(confirmed, actions=asked), now)
        is_as_signed = _statement(confirmed, command) == _statement(answered, command)
        if not _refusals(confirmed) and not is_as_signed:
            raise Refused(Reason.CONFIRMATION_SIGNATURE_WRONG)
    for refusal in _refusals(confirmed):
        return end(draft, confirmed, ProcessState.DECLINED, refusal, now)
    return proceed(draft, confirmed, now)


def _check_signature(
    draft: Draft, command: ConfirmProcess, process: Process, now: int
) -> SignedAnswer:
    """Return what the calling device signed, if it is this answer to the process as it is now."""
    signed = command.signed
    device = draft.get(Device.key_of(command.partition, command.caller.device_id))
    if signed is None or device is None or device.removed:
        raise Refused(Reason.CONFIRMATION_SIGNATURE_WRONG)
    if signed.device_key != device.public_key or signed.statement != _statement(process, command):
        raise Refused(Reason.CONFIRMATION_SIGNATURE_WRONG)
    return SignedAnswer(
        statement=signed.statement,
        signature=signed.signature,
        device_key=signed.device_key,
        device_id=device.device_id,
        answered_at=now,
    )


def _statement(process: Process, command: ConfirmProcess) -> bytes:
    return statement_of(process, approve=command.approve, digits=command.digits)


def _keep_answer(process: Process, command: ConfirmProcess, answer: SignedAnswer) -> Process:
    if command.approve:
        return msgspec.structs.replace(process, signed_yes=answer)
    return msgspec.structs.replace(process, signed_no=answer)


def _refusals(process: Process) -> list[Refusal]:
    return [action.refusal for action in process.actions if action.refusal]


def _own_process(draft: Draft, customer_id: str, process_id: str) -> Process:
    process = draft.get(Process.key_of(process_id))
    if process is None or process.customer_id != customer_id:
        raise Refused(Reason.PROCESS_NOT_FOUND)
    return process
