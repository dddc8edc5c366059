"""The processes of the double of the TerminalService: one for each request_id of ResolveCode."""

import uuid
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from tallymark.v1 import action_pb2, identification_pb2, process_pb2
from tallymark.v1 import terminal_service_pb2 as pb
from tallymark_protocol.code_format import parse
from tallymark_protocol.code_identifier import cti_hash
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.terminal_access import TERMINAL_ID, stamp
from tests.doubles.terminal_calls import TerminalCalls
from tests.doubles.terminal_outcomes import granted

__all__ = ["COMPLETED", "FINAL", "INSTRUCTED", "RELEASED", "TerminalProcesses"]

INSTRUCTED = process_pb2.PROCESS_STATE_INSTRUCTED
COMPLETED = process_pb2.PROCESS_STATE_COMPLETED
RELEASED = process_pb2.PROCESS_STATE_RELEASED
FINAL = {
    COMPLETED,
    RELEASED,
    process_pb2.PROCESS_STATE_DECLINED,
    process_pb2.PROCESS_STATE_EXPIRED,
}


class TerminalProcesses(TerminalCalls):
    """Begins processes, finds them, and lets them take the states that a test chose."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        super().__init__(now=now)
        self.processes: dict[str, process_pb2.Process] = {}
        """By the request_id of ResolveCode."""
        self.tombstones: set[str] = set()
        self.failed: dict[str, Reason] = {}
        self.states: deque[int] = deque()
        """States that a new process takes one after the other, each time it is looked at."""
        self.refusal: action_pb2.Refusal | None = None
        self.confirmation: process_pb2.Confirmation | None = None
        """The customer's signed yes on every receipt."""
        self.confirmation_digits = ""
        self.refuses_reversals = pb.REVERSAL_REFUSAL_UNSPECIFIED
        """Why reversals are refused, if they are."""
        self._claims: dict[bytes, str] = {}
        self._code_of: dict[str, bytes] = {}

    def only_process(self) -> process_pb2.Process:
        """Return the process, of which there must be one."""
        (process,) = self.processes.values()
        return process

    def _begin(self, request: pb.ResolveCodeRequest) -> process_pb2.Process:
        if request.request_id in self.tombstones:
            raise Refused(Reason.REQUEST_REVERSED)
        code = request.identification.code
        if code:
            claims = parse(code).claims
            key = cti_hash(claims.cti)
            if self._claims.setdefault(key, request.request_id) != request.request_id:
                self._fail(request, Reason.CODE_ALREADY_CLAIMED)
            if claims.expires_at <= self.now():
                self._fail(request, Reason.CODE_EXPIRED)
            self._code_of[request.request_id] = key
        process = process_pb2.Process(
            process_id=f"00{uuid.uuid4().hex}",
            version=1,
            merchant_name="Corner Shop",
            terminal_id=TERMINAL_ID,
            created_at=stamp(self.now()),
            confirmation_digits=self.confirmation_digits,
            actions=[granted(action, request) for action in request.actions],
        )
        if request.HasField("sale_total"):
            process.sale_total.CopyFrom(request.sale_total)
        if self.states:
            self._enter(process, self.states.popleft())
        else:
            self._enter(process, COMPLETED if request.complete_on_instruction else INSTRUCTED)
        self.processes[request.request_id] = process
        return process

    def _fail(self, request: pb.ResolveCodeRequest, reason: Reason) -> NoReturn:
        self.failed[request.request_id] = reason
        raise Refused(reason)

    def _advance(self, process: process_pb2.Process) -> None:
        """Let the process take its next state, if a test gave it one."""
        if self.states and process.state not in FINAL and process.version > 1:
            self._enter(process, self.states.popleft())
        process.version += 1

    def _enter(self, process: process_pb2.Process, state: int) -> None:
        process.state = process_pb2.ProcessState.ValueType(state)
        if state == INSTRUCTED:
            process.execute_by.CopyFrom(stamp(self.now() + 60))
        if state in {
            process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
            process_pb2.PROCESS_STATE_AUTHORISING,
        }:
            process.poll_until.CopyFrom(stamp(self.now() + 180))
        if state == process_pb2.PROCESS_STATE_CONTESTED:
            process.confirm_by.CopyFrom(stamp(self.now() + 45))
        if state == process_pb2.PROCESS_STATE_DECLINED:
            reason = action_pb2.REFUSAL_REASON_INSUFFICIENT_FUNDS
            process.refusal.CopyFrom(self.refusal or action_pb2.Refusal(reason=reason))
        if state in FINAL:
            process.ended_at.CopyFrom(stamp(self.now()))

    def _request_id_of(self, reference: identification_pb2.ProcessReference) -> str:
        by = reference.identification
        if by.HasField("process_id"):
            found = [k for k, p in self.processes.items() if p.process_id == by.process_id]
            return found[0] if found else ""
        request_id = reference.resolve_request_id
        if by.HasField("code_reference") and request_id in self._code_of:
            assert by.code_reference.cti_hash == self._code_of[request_id]
        return request_id

    def _process(self, reference: identification_pb2.ProcessReference) -> process_pb2.Process:
        process = self.processes.get(self._request_id_of(reference))
        if process is None:
            raise Refused(Reason.PROCESS_NOT_FOUND)
        return process

    def _receipt(self, process: process_pb2.Process) -> process_pb2.Receipt:
        earned = sum(outcome.action.earn_points.points for outcome in process.actions)
        burned = sum(outcome.action.burn_points.points for outcome in process.actions)
        receipt = process_pb2.Receipt(
            receipt_number=process.process_id,
            merchant_name=process.merchant_name,
            terminal_id=process.terminal_id,
            completed_at=process.ended_at,
            actions=process.actions,
            confirmed_by_customer=self.confirmation is not None,
            confirmation=self.confirmation,
        )
        if earned or burned:
            receipt.postings.add(
                programme_id="stamps", points=earned - burned, balance_after=420 + earned - burned
            )
        return receipt
