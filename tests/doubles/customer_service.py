"""A double of the CustomerService for the tests of the phone.

It speaks TLS, checks every request against the contract and every signature against the keys that
it was told, remembers answers by request_id as the server does, and can lose answers, refuse, be
busy and end streams at a test's wish. It decides nothing.
"""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
import protovalidate
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_status import rpc_status

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import process_pb2, registration_pb2
from tallymark.v1.customer_service_pb2_grpc import (
    CustomerServiceServicer,
    add_CustomerServiceServicer_to_server,
)
from tallymark_protocol.errors import RETRY_PUSHBACK_KEY, Refused, TallymarkError, to_status
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.known_devices import KnownDevices

__all__ = ["CustomerServiceDouble", "code_text", "stamp"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Response = TypeVar("Response", bound=Message)

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
"""What the server's clock says; it is far from this computer's on purpose."""

TEN_MINUTES = timedelta(minutes=10)

DEVICE_ID = "00" + "d1" * 16
SECOND_DEVICE_ID = "00" + "d2" * 16
TOKEN = "session-token-that-is-secret"
PASSWORD = "correct horse battery"
WRONG_PASSWORD = "wrong"
CHECKPOINT = "tmc1:0:17:" + "ab" * 16
CHECKPOINT_KEY = "tallymark-checkpoint"

_ANSWERABLE = {
    process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
    process_pb2.PROCESS_STATE_CONTESTED,
}


def stamp(time: datetime) -> Timestamp:
    """Return a time as the contract carries it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def code_text(number: int) -> str:
    """Return a text as long and of the same characters as a real code."""
    return f"TM1:{number:04}" + "8M6H%O.CB:+2L/LWG*-$ 0Z7" * 6 + "ABCDEFGHIJK"


class CustomerServiceDouble(CustomerServiceServicer):
    """Holds what the calls leave behind, in fields that tests may read and fill."""

    def __init__(self) -> None:
        """Start with an empty wallet and all well."""
        self.authority = Authority()
        self.devices = KnownDevices()
        self.checkpoint = CHECKPOINT
        """What each answer carries; "" for nothing."""
        self.calls: list[Message] = []
        self.done: Counter[str] = Counter()
        """How often each kind of request had its effect."""
        self.tokens: list[str] = []
        """What each call presented as its credentials."""
        self.lose_answers = 0
        """How many calls do their work and end without an answer."""
        self.fail_next_with: list[TallymarkError] = []
        """Errors for the next calls, in order, instead of answers."""
        self.pushback_milliseconds: int | None = None
        self.is_password_needed = False
        self.bound_to = ("till-1", "Corner Café")
        """Terminal and merchant that every tag is of; ("", "") to ignore tags."""
        self.on_call: Callable[[Message], None] = lambda _: None
        """What a test does when a call arrives, before anything comes of it."""
        self.code_life = timedelta(seconds=60)
        self.wallet = pb.GetWalletResponse(customer_id="c1", login_name="ana")
        self.processes: list[process_pb2.Process] = []
        self.receipts: dict[str, pb.GetReceiptResponse] = {}
        self.events: list[pb.WatchProcessesResponse] = []
        self.watched_from: list[int] = []
        self.end_streams = 0
        """How many streams break after what is known so far."""
        self._answers: dict[str, tuple[Message, Message]] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def served(
        self, address: str = "127.0.0.1:0", *, hosts: Sequence[str] = ("127.0.0.1",)
    ) -> AsyncIterator[str]:
        """Serve on a free port, with a certificate for these hosts, and give the address."""
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add_CustomerServiceServicer_to_server(self, server)
        credentials = self.authority.server_credentials(demands_certificate=False, hosts=hosts)
        port = server.add_secure_port(address, credentials)
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)

    async def happen(self, process: process_pb2.Process) -> None:
        """Let a process change, so that watchers hear of it."""
        async with self._changed:
            event = pb.WatchProcessesResponse(event=len(self.events) + 1, process=process)
            self.events.append(event)
            self._changed.notify_all()

    async def RegisterCustomer(
        self, request: pb.RegisterCustomerRequest, context: Context
    ) -> pb.RegisterCustomerResponse:
        def register() -> pb.RegisterCustomerResponse:
            self.devices.register(request, DEVICE_ID)
            return pb.RegisterCustomerResponse(
                customer_id="c1",
                device_id=DEVICE_ID,
                session_token=TOKEN,
                session_expires_at=stamp(NOW + timedelta(days=30)),
                number_code_sent=bool(request.telephone_number),
            )

        return await self._do(request, context, register)

    async def VerifyNumber(
        self, request: pb.VerifyNumberRequest, context: Context
    ) -> pb.VerifyNumberResponse:
        return await self._do(
            request, context, lambda: pb.VerifyNumberResponse(telephone_number="+4930123456")
        )

    async def SignIn(self, request: pb.SignInRequest, context: Context) -> pb.SignInResponse:
        def sign_in() -> pb.SignInResponse:
            self.devices.check_sign_in(request)
            if request.password == WRONG_PASSWORD:
                raise Refused(Reason.PASSWORD_WRONG)
            return pb.SignInResponse(
                session_token=f"{TOKEN}-2", session_expires_at=stamp(NOW + timedelta(days=30))
            )

        return await self._do(request, context, sign_in)

    async def AddDevice(
        self, request: pb.AddDeviceRequest, context: Context
    ) -> pb.AddDeviceResponse:
        def add() -> pb.AddDeviceResponse:
            self.devices.add(request, SECOND_DEVICE_ID)
            return pb.AddDeviceResponse(
                device_id=SECOND_DEVICE_ID,
                session_token=TOKEN,
                session_expires_at=stamp(NOW + timedelta(days=30)),
            )

        return await self._do(request, context, add)

    async def InviteDevice(
        self, request: pb.InviteDeviceRequest, context: Context
    ) -> pb.InviteDeviceResponse:
        return await self._do(
            request,
            context,
            lambda: pb.InviteDeviceResponse(
                invitation=self.devices.invite(), expires_at=stamp(NOW + TEN_MINUTES)
            ),
        )

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: Context
    ) -> pb.ChangePasswordResponse:
        def change() -> pb.ChangePasswordResponse:
            if request.password == WRONG_PASSWORD:
                raise Refused(Reason.PASSWORD_WRONG)
            return pb.ChangePasswordResponse(sessions_ended=2)

        return await self._do(request, context, change)

    async def SendNumberCode(
        self, request: pb.SendNumberCodeRequest, context: Context
    ) -> pb.SendNumberCodeResponse:
        return await self._do(
            request,
            context,
            lambda: pb.SendNumberCodeResponse(expires_at=stamp(NOW + TEN_MINUTES)),
        )

    async def RemoveDevice(
        self, request: pb.RemoveDeviceRequest, context: Context
    ) -> pb.RemoveDeviceResponse:
        return await self._do(request, context, pb.RemoveDeviceResponse)

    async def RegisterCard(
        self, request: pb.RegisterCardRequest, context: Context
    ) -> pb.RegisterCardResponse:
        card = registration_pb2.Card(
            card_id=f"{len(self.wallet.cards):034x}",
            brand="VISA",
            last_four=request.card_number[-4:],
            expires_on=request.expires_on,
            is_default=True,
        )

        def register() -> pb.RegisterCardResponse:
            self.wallet.cards.append(card)
            return pb.RegisterCardResponse(card=card)

        return await self._do(request, context, register)

    async def RemoveCard(
        self, request: pb.RemoveCardRequest, context: Context
    ) -> pb.RemoveCardResponse:
        return await self._do(request, context, pb.RemoveCardResponse)

    async def GetWallet(
        self, request: pb.GetWalletRequest, context: Context
    ) -> pb.GetWalletResponse:
        return await self._do(request, context, lambda: self.wallet)

    async def IssueCode(
        self, request: pb.IssueCodeRequest, context: Context
    ) -> pb.IssueCodeResponse:
        def issue() -> pb.IssueCodeResponse:
            if self.is_password_needed and not request.password:
                raise Refused(Reason.PASSWORD_REQUIRED)
            number = self.done["IssueCodeRequest"]
            terminal_id, merchant_name = self.bound_to if request.terminal_tag else ("", "")
            return pb.IssueCodeResponse(
                code=code_text(number),
                issued_at=stamp(NOW),
                expires_at=stamp(NOW + self.code_life),
                next_at=stamp(NOW + self.code_life * 0.75),
                bound_terminal_id=terminal_id,
                bound_merchant_name=merchant_name,
            )

        return await self._do(request, context, issue)

    async def RevokeCode(
        self, request: pb.RevokeCodeRequest, context: Context
    ) -> pb.RevokeCodeResponse:
        return await self._do(request, context, lambda: pb.RevokeCodeResponse(codes_revoked=2))

    async def ConfirmProcess(
        self, request: pb.ConfirmProcessRequest, context: Context
    ) -> pb.ConfirmProcessResponse:
        def confirm() -> pb.ConfirmProcessResponse:
            process = self._find(request.process_id)
            if process.state not in _ANSWERABLE:
                state = process_pb2.ProcessState.Name(process.state)
                raise Refused(Reason.PROCESS_NOT_AWAITING, state=state)
            self.devices.check_confirmation(request, process)
            process.version += 1
            is_approved = request.decision == pb.DECISION_APPROVE
            process.state = (
                process_pb2.PROCESS_STATE_INSTRUCTED
                if is_approved
                else process_pb2.PROCESS_STATE_DECLINED
            )
            return pb.ConfirmProcessResponse(process=process)

        return await self._do(request, context, confirm)

    async def DisputeProcess(
        self, request: pb.DisputeProcessRequest, context: Context
    ) -> pb.DisputeProcessResponse:
        def dispute() -> pb.DisputeProcessResponse:
            process = self._find(request.process_id)
            process.disputed = True
            return pb.DisputeProcessResponse(process=process)

        return await self._do(request, context, dispute)

    async def ListProcesses(
        self, request: pb.ListProcessesRequest, context: Context
    ) -> pb.ListProcessesResponse:
        begin = int(request.page_token or 0)
        end = begin + (request.page_size or 50)
        return await self._do(
            request,
            context,
            lambda: pb.ListProcessesResponse(
                processes=self.processes[begin:end],
                next_page_token=str(end) if end < len(self.processes) else "",
            ),
        )

    async def GetReceipt(
        self, request: pb.GetReceiptRequest, context: Context
    ) -> pb.GetReceiptResponse:
        def find() -> pb.GetReceiptResponse:
            if request.process_id not in self.receipts:
                raise Refused(Reason.RECEIPT_NOT_READY, state="INSTRUCTED")
            return self.receipts[request.process_id]

        return await self._do(request, context, find)

    async def WatchProcesses(
        self, request: pb.WatchProcessesRequest, context: Context
    ) -> AsyncIterator[pb.WatchProcessesResponse]:
        self.watched_from.append(request.after_event)
        await self._note(request, context)
        seen = request.after_event
        yield pb.WatchProcessesResponse(event=seen)
        while True:
            for event in self.events[seen:]:
                yield event
                seen = event.event
            if self.end_streams:
                self.end_streams -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the network went away")
            async with self._changed:
                await self._changed.wait_for(lambda: len(self.events) > seen)  # noqa: B023 - awaited here

    async def _do(
        self, request: Message, context: Context, effect: Callable[[], Response]
    ) -> Response:
        """Answer a call: the same answer for the same request_id, else what the effect gives."""
        await self._note(request, context)
        request_id = str(getattr(request, "request_id", ""))
        known = self._answers.get(request_id) if request_id else None
        if known and known[0] != request:
            await self._fail(context, Refused(Reason.REQUEST_ID_REUSED))
        if known is None:
            try:
                response = effect()
            except TallymarkError as error:
                await self._fail(context, error)
            self.done[type(request).__name__] += 1
            if request_id:
                self._answers[request_id] = (request, copy.deepcopy(response))
        else:
            response = known[1]  # type: ignore[assignment] # of the same call, so of its type
        if self.lose_answers:
            self.lose_answers -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        context.set_trailing_metadata(self._trailing())
        return response

    async def _note(self, request: Message, context: Context) -> None:
        self.calls.append(request)
        self.on_call(request)
        metadata = dict(context.invocation_metadata() or ())
        self.tokens.append(str(metadata.get("authorization", "")))
        try:
            protovalidate.validate(request)
        except protovalidate.ValidationError as invalid:
            fields = [
                (".".join(part.field_name for part in path.elements), found.proto.message)
                for found in invalid.violations
                if (path := found.proto.field)
            ]
            await self._fail(context, Refused(Reason.REQUEST_INVALID, violations=fields))
        if self.fail_next_with:
            trailing: tuple[tuple[str, str], ...] = ()
            if self.pushback_milliseconds is not None:
                trailing = ((RETRY_PUSHBACK_KEY, str(self.pushback_milliseconds)),)
            await self._fail(context, self.fail_next_with.pop(0), *trailing)

    def _find(self, process_id: str) -> process_pb2.Process:
        for process in self.processes:
            if process.process_id == process_id:
                return process
        raise Refused(Reason.PROCESS_NOT_FOUND)

    def _trailing(self) -> tuple[tuple[str, str], ...]:
        return ((CHECKPOINT_KEY, self.checkpoint),) if self.checkpoint else ()

    async def _fail(
        self, context: Context, error: TallymarkError, *trailing: tuple[str, str]
    ) -> NoReturn:
        status = rpc_status.to_status(to_status(error))
        await context.abort(
            status.code,
            status.details,
            trailing_metadata=(*status.trailing_metadata, *self._trailing(), *trailing),
        )
        raise AssertionError
