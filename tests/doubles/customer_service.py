"""A double of the CustomerService for the tests of the phone.

It speaks TLS, checks every request against the contract and every signature against the keys that
it was told, remembers answers by request_id as the server does, and can lose answers, refuse, be
busy and end streams at a test's wish. It decides nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import process_pb2, registration_pb2
from tallymark.v1.customer_service_pb2_grpc import (
    CustomerServiceServicer,
    add_CustomerServiceServicer_to_server,
)
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority
from tests.doubles.customer_accounts import CustomerAccounts
from tests.doubles.customer_calls import Context
from tests.doubles.customer_facts import NOW, code_text, stamp

__all__ = ["CustomerServiceDouble"]

_ANSWERABLE = {
    process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
    process_pb2.PROCESS_STATE_CONTESTED,
}


class CustomerServiceDouble(CustomerAccounts, CustomerServiceServicer):
    """Holds what the calls leave behind, in fields that tests may read and fill."""

    def __init__(self) -> None:
        """Start with an empty wallet and all well."""
        super().__init__()
        self.authority = Authority()
        self.is_password_needed = False
        self.bound_to = ("till-1", "Corner Café")
        """Terminal and merchant that every tag is of; ("", "") to ignore tags."""
        self.code_life = timedelta(seconds=60)
        self.wallet = pb.GetWalletResponse(customer_id="c1", login_name="ana")
        self.processes: list[process_pb2.Process] = []
        self.receipts: dict[str, pb.GetReceiptResponse] = {}
        self.events: list[pb.WatchProcessesResponse] = []
        self.watched_from: list[int] = []
        self.end_streams = 0
        """How many streams break after what is known so far."""
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

    def _find(self, process_id: str) -> process_pb2.Process:
        for process in self.processes:
            if process.process_id == process_id:
                return process
        raise Refused(Reason.PROCESS_NOT_FOUND)
