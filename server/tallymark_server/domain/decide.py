"""The one entrance to the rules: rows, a command and the time in, an answer and changes out.

Pure: the same rows, command and time give the same decision. It either decides, or raises `Need`
for rows it was not given.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain import (
    codes,
    commands,
    customers,
    devices,
    directory,
    enrolment,
    keys,
    numbers,
    passwords,
    policy,
    recovery,
    retention,
    sessions,
)
from tallymark_server.domain.answers import (
    Answer,
    ProcessAnswer,
    RefusedAnswer,
    ReversalAnswer,
    SeenProcess,
)
from tallymark_server.domain.commands import Command
from tallymark_server.domain.model.journal import Record
from tallymark_server.domain.model.keys import KeyEvent
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.processes import Process, Request
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.domain.processes import by_hand, confirm, finish, outcomes, resolve, settling
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft, Key, Row, Rows

__all__ = ["Decision", "decide", "request_key"]


class Decision(NamedTuple):
    """What was decided: the answer, the changed rows (None: removed), and the journal's record.

    What changes nothing leaves no record.
    """

    answer: Answer
    changes: Mapping[Key[Any], Row | None]
    record: Record | None


_Rule = Callable[[Draft, Any, int], Answer]


def _timeless(rule: Callable[[Draft, Any], Answer]) -> _Rule:
    return lambda draft, command, _: rule(draft, command)


_RULES: dict[type[Command], _Rule] = {
    commands.RegisterCustomer: customers.register_customer,
    commands.SendNumberCode: numbers.send_number_code,
    commands.VerifyNumber: numbers.verify_number,
    commands.OpenSession: sessions.open_session,
    commands.ChangePassword: sessions.change_password,
    commands.InviteDevice: devices.invite_device,
    commands.AddDevice: devices.add_device,
    commands.RemoveDevice: devices.remove_device,
    commands.RevokeDevice: devices.revoke_device,
    commands.RegisterCard: _timeless(customers.register_card),
    commands.RemoveCard: _timeless(customers.remove_card),
    commands.ReservePasswordTry: passwords.reserve_try,
    commands.UnlockPassword: _timeless(passwords.unlock),
    commands.IssueCode: codes.issue_code,
    commands.RevokeCode: _timeless(codes.revoke_code),
    commands.ResolveCode: resolve.resolve,
    commands.ConfirmProcess: confirm.confirm,
    commands.DisputeProcess: confirm.dispute,
    commands.CompleteProcess: finish.complete,
    commands.UpdatePoints: _timeless(finish.update_points),
    commands.ReverseProcess: finish.reverse,
    commands.SettleProcess: by_hand.settle,
    commands.FireTimer: outcomes.fire_timer,
    commands.RecordAuthorisation: outcomes.record_authorisation,
    commands.RecordSettlement: settling.record_settlement,
    commands.RecordRecheck: settling.record_recheck,
    commands.Enrol: enrolment.enrol,
    commands.RenewCertificate: enrolment.renew_certificate,
    commands.AdoptKey: enrolment.adopt_key,
    commands.CreateOperator: _timeless(enrolment.create_operator),
    commands.RevokeOperator: _timeless(enrolment.revoke_operator),
    commands.CreateMerchant: _timeless(directory.create_merchant),
    commands.CreateTerminal: _timeless(enrolment.create_terminal),
    commands.RevokeTerminal: _timeless(enrolment.revoke_terminal),
    commands.DelegateTerminal: enrolment.delegate_terminal,
    commands.ReenrolTerminal: _timeless(enrolment.reenrol_terminal),
    commands.CreateEvent: _timeless(directory.create_event),
    commands.CreateProgramme: _timeless(directory.create_programme),
    commands.AddBill: directory.add_bill,
    commands.AddTicket: directory.add_ticket,
    commands.GrantPoints: directory.grant_points,
    commands.SetPolicy: _timeless(policy.set_policy),
    commands.RotateKey: keys.rotate_key,
    commands.RevokeKey: keys.revoke_key,
    commands.RecordStart: recovery.record_start,
    commands.ReportSale: recovery.report_sale,
    commands.FinishReport: recovery.finish_report,
    commands.FinishRecovery: recovery.finish_recovery,
    commands.PurgeRows: retention.purge_rows,
}

_ANSWER_ENCODER = msgspec.json.Encoder()
_ANSWER_DECODER: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def decide(rows: Rows, command: Command, now: int) -> Decision:
    """Decide a command.

    Raises:
        Need: rows are missing. Any other exception is a fault of the rules.

    """
    draft = Draft(rows)
    earlier = _earlier_answer(draft, command)
    if earlier is not None:
        return Decision(earlier, {}, None)
    answer, draft = _apply_rule(draft, command, now)
    if command.request is not None and not _is_refused_stranger(command, answer):
        draft.put(_request_row(command, answer, now))
    changes = dict(draft.changes())
    record = _record(command, answer, now, changes) if changes else None
    return Decision(answer, changes, record)


def _is_refused_stranger(command: Command, answer: Answer) -> bool:
    """Say whether somebody without credentials was refused, which leaves nothing behind.

    Else anybody could fill the database by guessing enrolment codes.
    """
    is_stranger = command.caller.kind is CallerKind.ANYONE
    return is_stranger and isinstance(answer, RefusedAnswer)


def _earlier_answer(draft: Draft, command: Command) -> Answer | None:
    """Return the answer that this request got before, if it did."""
    key = request_key(command)
    earlier = draft.get(key) if key is not None else None
    if earlier is None or command.request is None:
        return None
    if earlier.is_reversed:
        return RefusedAnswer(reason=Reason.REQUEST_REVERSED)
    if earlier.fingerprint != command.request.fingerprint:
        return RefusedAnswer(reason=Reason.REQUEST_ID_REUSED)
    return _ANSWER_DECODER.decode(earlier.answer)


def _apply_rule(draft: Draft, command: Command, now: int) -> tuple[Answer, Draft]:
    trial = Draft(draft)
    try:
        if isinstance(command, commands.UsesPassword) and command.password is not None:
            passwords.use_password(trial, command.partition, command.password)
        answer = _RULES[type(command)](trial, command, now)
    except Refused as no:
        return RefusedAnswer(reason=no.reason, metadata=no.metadata), draft
    draft.absorb(trial)
    return answer, draft


def request_key(command: Command) -> Key[Request] | None:
    """Return where the answer to this command is kept, if it is kept."""
    request = command.request
    if request is None:
        return None
    return Request.key_of(command.partition, request.request_id, request.rpc, command.caller.name)


def _request_row(command: Command, answer: Answer, now: int) -> Request:
    request = command.request
    assert request is not None, "the caller has checked it"
    stored = answer
    if isinstance(command, commands.ResolveCode) and isinstance(answer, ProcessAnswer):
        stored = SeenProcess(process_id=answer.process.process_id)  # its state may advance
    return Request(
        partition=command.partition,
        request_id=request.request_id,
        caller_id=command.caller.name,
        rpc=request.rpc,
        fingerprint=request.fingerprint,
        decided_at=now,
        answer=_ANSWER_ENCODER.encode(stored).decode(),
        process_id=stored.process_id if isinstance(stored, SeenProcess) else "",
        refused=answer.reason if isinstance(answer, RefusedAnswer) else "",
    )


def _record(
    command: Command, answer: Answer, now: int, changes: Mapping[Key[Any], Row | None]
) -> Record:
    """Say what was decided, without secrets: ids, states, postings and the reason of a refusal."""
    process = _process_of(answer, changes)
    facts = _facts(command, answer, changes)
    if process is not None and process.postings:
        facts["postings"] = [msgspec.to_builtins(posting) for posting in process.postings]
    return Record(
        decided_at=now,
        command=type(command).__name__,
        caller=command.caller.name,
        process_id=process.process_id if process else "",
        state=process.state if process else 0,
        payload=_ANSWER_ENCODER.encode(facts).decode(),
    )


def _facts(
    command: Command, answer: Answer, changes: Mapping[Key[Any], Row | None]
) -> dict[str, object]:
    """Return what there is to say besides the process. Old requests are found by it, too."""
    facts: dict[str, object] = {"changed": sorted({key.table.table for key in changes})}
    if isinstance(answer, RefusedAnswer):
        facts["refused"] = answer.reason
    if command.request is not None:
        facts["request_id"] = command.request.request_id
        if command.request.rpc != type(command).__name__:
            facts["rpc"] = command.request.rpc
    for row in changes.values():
        if isinstance(row, KeyEvent):
            facts["key"] = row.name
        elif isinstance(row, Recovery):
            facts["recovery"] = msgspec.to_builtins(row)
        elif isinstance(row, Request) and row.is_reversed:
            facts["given_up"] = row.request_id
    if isinstance(command, commands.PurgeRows):
        facts["removed"] = sum(row is None for row in changes.values())
        facts["erased_to"] = command.erased_sequence
    if isinstance(command, commands.SettleProcess):
        facts["settled_as_executed"] = None if command.try_again else command.executed
        facts["note_sha256"] = sha256(command.note.encode()).hexdigest()
    return facts


def _process_of(answer: Answer, changes: Mapping[Key[Any], Row | None]) -> Process | None:
    """Return the process that the decision is about: the answered one, else the changed one."""
    if isinstance(answer, ProcessAnswer | ReversalAnswer) and answer.process is not None:
        return answer.process
    for row in changes.values():
        if isinstance(row, Process):
            return row
    return None
