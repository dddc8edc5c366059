"""A double of the TerminalService for the tests of the terminal.

It speaks mutual TLS as the server does: Enroll on one port, everything else on another that demands
certificates. It checks every request against the contract, keeps one process per request_id, and
can lose requests and answers, refuse, hang and change states at a test's wish. What it decides is
canned.
"""

import asyncio
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
import protovalidate
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from grpc_status import rpc_status

from tallymark.v1 import action_pb2, identification_pb2, key_pb2, money_pb2, process_pb2
from tallymark.v1 import terminal_service_pb2 as pb
from tallymark.v1.terminal_service_pb2_grpc import (
    TerminalServiceServicer,
    add_TerminalServiceServicer_to_server,
)
from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_format import parse, sign
from tallymark_protocol.code_identifier import cti_hash
from tallymark_protocol.errors import Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason
from tallymark_protocol.terminal_tag import NONCE_BYTES, TagClaims, TagKind
from tallymark_protocol.terminal_tag import sign as sign_tag
from tests.doubles.journal import JournalDouble
from tests.doubles.terminal_access import (
    ENROLMENT_CODE,
    MERCHANT_ID,
    TERMINAL_ID,
    Context,
    TerminalAccess,
    stamp,
)

__all__ = ["ENROLMENT_CODE", "TERMINAL_ID", "TerminalServiceDouble"]

Response = TypeVar("Response", bound=Message)
ChangingRequest: TypeAlias = (
    pb.CompleteProcessRequest
    | pb.RenewCertificateRequest
    | pb.ReverseProcessRequest
    | pb.UpdatePointsRequest
)

INSTRUCTED = process_pb2.PROCESS_STATE_INSTRUCTED
COMPLETED = process_pb2.PROCESS_STATE_COMPLETED
RELEASED = process_pb2.PROCESS_STATE_RELEASED
FINAL = {
    COMPLETED,
    RELEASED,
    process_pb2.PROCESS_STATE_DECLINED,
    process_pb2.PROCESS_STATE_EXPIRED,
}
SERVICE_NAME = pb.DESCRIPTOR.services_by_name["TerminalService"].full_name
KEYS = {number: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2)}


class TerminalServiceDouble(TerminalServiceServicer):
    """Holds what the calls leave behind, in fields that tests read and fill."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        self.now = now
        self.access = TerminalAccess(now=now)
        self.journal = JournalDouble(now=now)
        self.terminal_address = ""
        """Where enrolled terminals call, while it is served."""
        self.tag_life_seconds = 60.0
        self.key_ids = [1]
        self.epoch = 7
        self.calls: list[tuple[str, Any]] = []
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
        self.lost_requests: Counter[str] = Counter()
        """How many requests of each RPC never arrive."""
        self.lost_answers: Counter[str] = Counter()
        """How many requests of each RPC do their work and are not answered."""
        self.lost_answer_revokes = False
        """Whether the terminal is revoked when an answer is lost."""
        self.errors: defaultdict[str, deque[TallymarkError]] = defaultdict(deque)
        """Errors for the next calls of each RPC, instead of work."""
        self.refuses_reversals = pb.REVERSAL_REFUSAL_UNSPECIFIED
        """Why reversals are refused, if they are."""
        self.hangs_before: str | None = None
        self.hangs_after: str | None = None
        self.hanging = asyncio.Event()
        """Set when a call hangs or is held up."""
        self.held_up: dict[str, asyncio.Event] = {}
        """Calls of these RPCs wait for the event before they do their work."""
        self._answers: dict[tuple[str, str], tuple[Message, Message]] = {}
        self._claims: dict[bytes, str] = {}
        self._code_of: dict[str, bytes] = {}

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Serve on free ports and give the address that everybody is told."""
        public = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        enrol = grpc.unary_unary_rpc_method_handler(
            self.Enroll,
            request_deserializer=pb.EnrollRequest.FromString,
            response_serializer=pb.EnrollResponse.SerializeToString,
        )
        public.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE_NAME, {"Enroll": enrol}),)
        )
        terminals = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add_TerminalServiceServicer_to_server(self, terminals)
        authority = self.access.authority
        public_port, self.access.port = (
            server.add_secure_port(
                "127.0.0.1:0",
                authority.server_credentials(demands_certificate=server is terminals),
            )
            for server in (public, terminals)
        )
        self.terminal_address = f"127.0.0.1:{self.access.port}"
        await public.start()
        await terminals.start()
        try:
            yield f"127.0.0.1:{public_port}"
        finally:
            await asyncio.gather(public.stop(None), terminals.stop(None))

    def issue_code(
        self,
        *,
        life_seconds: float = 60,
        key_id: int = 1,
        epoch: int | None = None,
        audience: str | None = None,
    ) -> str:
        """Return the text of a new code."""
        claims = CodeClaims(
            expires_at=int(self.now() + life_seconds),
            cti=b"\x00" + uuid.uuid4().bytes + b"mac",
            audience=audience,
        )
        key = KEYS[key_id]
        return sign(claims, key_id=key_id, private_key=key, epoch=epoch or self.epoch)

    def requests(self, rpc: str) -> list[Any]:
        """Return the requests of one RPC that arrived, in order."""
        return [request for name, request in self.calls if name == rpc]

    def only_process(self) -> process_pb2.Process:
        """Return the process, of which there must be one."""
        (process,) = self.processes.values()
        return process

    async def Enroll(self, request: pb.EnrollRequest, context: Context) -> pb.EnrollResponse:
        return await self._do("Enroll", request, context, lambda: self.access.enrol(request))

    async def RenewCertificate(
        self, request: pb.RenewCertificateRequest, context: Context
    ) -> pb.RenewCertificateResponse:
        def renew() -> pb.RenewCertificateResponse:
            issued = self.access.issue(request.certificate_request)
            return pb.RenewCertificateResponse(certificate=issued)

        return await self._do_once("RenewCertificate", request, context, renew)

    async def GetTag(self, request: pb.GetTagRequest, context: Context) -> pb.GetTagResponse:
        def get_tag() -> pb.GetTagResponse:
            life_seconds = 365 * 86_400.0 if request.printed else self.tag_life_seconds
            claims = TagClaims(
                terminal_id=TERMINAL_ID,
                merchant_id=MERCHANT_ID,
                expires_at=int(self.now() + life_seconds),
                kind=TagKind.PRINTED if request.printed else TagKind.DISPLAY,
                nonce=uuid.uuid4().bytes[:NONCE_BYTES],
            )
            return pb.GetTagResponse(
                tag=sign_tag(claims, key_id=1, private_key=KEYS[1], epoch=self.epoch),
                expires_at=stamp(claims.expires_at),
                next_at=stamp(self.now() + life_seconds * 0.75),
            )

        return await self._do("GetTag", request, context, get_tag)

    async def ListVerificationKeys(
        self, request: pb.ListVerificationKeysRequest, context: Context
    ) -> pb.ListVerificationKeysResponse:
        def list_keys() -> pb.ListVerificationKeysResponse:
            keys = [
                key_pb2.VerificationKey(
                    key_id=number,
                    public_key=key_pb2.PublicKey(
                        algorithm=key_pb2.KEY_ALGORITHM_ED25519,
                        key_bytes=KEYS[number].public_key().public_bytes_raw(),
                    ),
                    valid_from=stamp(self.now() - 86_400),
                    valid_until=stamp(self.now() + 86_400),
                )
                for number in self.key_ids
            ]
            return pb.ListVerificationKeysResponse(
                keys=keys,
                epoch=self.epoch,
                server_time=stamp(self.now()),
                checkpoint=self.journal.signed(),
            )

        return await self._do("ListVerificationKeys", request, context, list_keys)

    async def ResolveCode(
        self, request: pb.ResolveCodeRequest, context: Context
    ) -> pb.ResolveCodeResponse:
        def resolve() -> pb.ResolveCodeResponse:
            process = self.processes.get(request.request_id)
            if process is None:
                process = self._begin(request)
            self._advance(process)
            return pb.ResolveCodeResponse(process=process)

        return await self._do("ResolveCode", request, context, resolve)

    async def GetProcess(
        self, request: pb.GetProcessRequest, context: Context
    ) -> pb.GetProcessResponse:
        def get() -> pb.GetProcessResponse:
            request_id = self._request_id_of(request.reference)
            if request_id in self.processes:
                process = self.processes[request_id]
                self._advance(process)
                receipt = self._receipt(process) if process.state == COMPLETED else None
                return pb.GetProcessResponse(
                    knowledge=pb.PROCESS_KNOWLEDGE_FOUND, process=process, receipt=receipt
                )
            if request_id in self.failed:
                return pb.GetProcessResponse(
                    knowledge=pb.PROCESS_KNOWLEDGE_FAILED,
                    failed_reason=self.failed[request_id].value,
                )
            if request_id in self.tombstones:
                return pb.GetProcessResponse(knowledge=pb.PROCESS_KNOWLEDGE_REVERSED_UNSEEN)
            return pb.GetProcessResponse(knowledge=pb.PROCESS_KNOWLEDGE_NEVER_SEEN)

        return await self._do("GetProcess", request, context, get)

    async def CompleteProcess(
        self, request: pb.CompleteProcessRequest, context: Context
    ) -> pb.CompleteProcessResponse:
        def complete() -> pb.CompleteProcessResponse:
            process = self._process(request.reference)
            self._advance(process)
            if process.state == process_pb2.PROCESS_STATE_CONTESTED:
                raise Refused(Reason.PROCESS_CONTESTED)
            if process.state not in {INSTRUCTED, process_pb2.PROCESS_STATE_OVERDUE}:
                state = process_pb2.ProcessState.Name(process.state)
                raise Refused(Reason.PROCESS_NOT_INSTRUCTED, state=state)
            self._enter(process, COMPLETED)
            return pb.CompleteProcessResponse(process=process, receipt=self._receipt(process))

        return await self._do_once("CompleteProcess", request, context, complete)

    async def ReverseProcess(
        self, request: pb.ReverseProcessRequest, context: Context
    ) -> pb.ReverseProcessResponse:
        def reverse() -> pb.ReverseProcessResponse:
            request_id = self._request_id_of(request.reference)
            if request.reference.identification.HasField("process_id") and not request_id:
                raise Refused(Reason.PROCESS_NOT_FOUND)
            process = self.processes.get(request_id)
            if process is None:
                self.tombstones.add(request_id)
                return pb.ReverseProcessResponse(outcome=pb.REVERSAL_OUTCOME_NEVER_SEEN)
            if self.refuses_reversals:
                return pb.ReverseProcessResponse(
                    outcome=pb.REVERSAL_OUTCOME_REFUSED,
                    refused_because=self.refuses_reversals,
                    process=process,
                )
            if process.state == COMPLETED:
                process.reversed_by_process_id = f"00{uuid.uuid4().hex}"
                reversal = process_pb2.Process(
                    process_id=process.reversed_by_process_id,
                    state=COMPLETED,
                    reverses_process_id=process.process_id,
                )
                return pb.ReverseProcessResponse(
                    outcome=pb.REVERSAL_OUTCOME_COMPENSATED, process=process, reversal=reversal
                )
            if process.state not in FINAL:
                self._enter(process, RELEASED)
            return pb.ReverseProcessResponse(outcome=pb.REVERSAL_OUTCOME_RELEASED, process=process)

        return await self._do_once("ReverseProcess", request, context, reverse)

    async def UpdatePoints(
        self, request: pb.UpdatePointsRequest, context: Context
    ) -> pb.UpdatePointsResponse:
        def update() -> pb.UpdatePointsResponse:
            process = self._process(request.reference)
            process.staged_balance.new_balance = request.new_balance
            return pb.UpdatePointsResponse(process=process)

        return await self._do_once("UpdatePoints", request, context, update)

    async def ReportSales(
        self, request: pb.ReportSalesRequest, context: Context
    ) -> pb.ReportSalesResponse:
        """Refuse: what this double has told was never lost."""
        raise Refused(Reason.RECOVERY_NOT_OPEN)

    async def WatchProcess(
        self, request: pb.WatchProcessRequest, context: Context
    ) -> AsyncIterator[pb.WatchProcessResponse]:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the terminal does not use it")
        yield pb.WatchProcessResponse()

    async def Exchange(
        self, request_iterator: AsyncIterator[pb.ExchangeRequest], context: Context
    ) -> AsyncIterator[pb.ExchangeResponse]:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "concentrators meet the real server")
        yield pb.ExchangeResponse()

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
            actions=[_outcome(action, request) for action in request.actions],
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

    async def _do_once(
        self, rpc: str, request: ChangingRequest, context: Context, work: Callable[[], Response]
    ) -> Response:
        """Do the work once per request_id; the same id gives the same answer, an error too."""

        def once() -> Response:
            key = (rpc, request.request_id)
            if key in self._answers:
                asked, answer = self._answers[key]
                if asked != request:
                    raise Refused(Reason.REQUEST_ID_REUSED)
                return answer  # type: ignore[return-value] # what `work` gave
            done = work()
            copy = type(done)()
            copy.CopyFrom(done)
            self._answers[key] = (request, copy)
            return copy

        return await self._do(rpc, request, context, once)

    async def _do(
        self, rpc: str, request: Message, context: Context, work: Callable[[], Response]
    ) -> Response:
        if self.hangs_before == rpc:
            await self._hang()
        if self.lost_requests[rpc]:
            self.lost_requests[rpc] -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way there")
        self.calls.append((rpc, request))
        protovalidate.validate(request)
        if rpc in self.held_up:
            self.hanging.set()
            await self.held_up[rpc].wait()
        try:
            if rpc != "Enroll":
                self.access.check(context)
            if self.errors[rpc]:
                raise self.errors[rpc].popleft()
            answer = work()
        except TallymarkError as error:
            status = rpc_status.to_status(to_status(error))
            await context.abort_with_status(status)
        if self.hangs_after == rpc:
            await self._hang()
        if self.lost_answers[rpc]:
            self.lost_answers[rpc] -= 1
            if self.lost_answer_revokes:
                self.access.revoke()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way back")
        context.set_trailing_metadata((("tallymark-checkpoint", str(self.journal.grow())),))
        return answer

    async def _hang(self) -> None:
        self.hanging.set()
        await asyncio.Event().wait()


def _outcome(action: action_pb2.Action, request: pb.ResolveCodeRequest) -> action_pb2.ActionOutcome:
    """Grant the action, with canned figures."""
    instruction = action_pb2.Instruction()
    match action.WhichOneof("kind"):
        case "charge":
            rest = action.charge.HasField("remainder")
            amount = request.sale_total if rest else action.charge.amount
            instruction.charge.amount.CopyFrom(amount)
            instruction.charge.card_brand = "VISA"
            instruction.charge.card_last_four = "4242"
            instruction.charge.authorisation_code = "A1B2C3"
        case "pay_bill":
            instruction.pay_bill.bill_reference = action.pay_bill.bill_reference or "B-7"
            instruction.pay_bill.amount.CopyFrom(_euros(4500))
            instruction.pay_bill.description = "Water, third quarter"
            instruction.pay_bill.funding = action.pay_bill.funding
        case "admit":
            instruction.admit.event_id = action.admit.event_id
            instruction.admit.event_name = "Summer Concert"
            instruction.admit.ticket_id = "T-1"
            instruction.admit.direction = action.admit.direction
            instruction.admit.place = "Block B, row 4"
        case "read_points":
            instruction.read_points.balance = 420
            instruction.read_points.available = 400
            instruction.read_points.version = 9
        case "earn_points":
            instruction.earn_points.points = action.earn_points.points
            instruction.earn_points.version = 9
        case "burn_points":
            instruction.burn_points.points = action.burn_points.points
            instruction.burn_points.value.CopyFrom(_euros(action.burn_points.points))
            instruction.burn_points.version = 9
    return action_pb2.ActionOutcome(
        action=action, instruction=instruction, settlement=action_pb2.SETTLEMENT_HELD
    )


def _euros(cents: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="EUR", minor_units=cents)
