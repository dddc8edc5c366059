"""A double of the TerminalService for the tests of the terminal.

It speaks mutual TLS as the server does: Enroll on one port, everything else on another that demands
certificates. It checks every request against the contract, keeps one process per request_id, and
can lose requests and answers, refuse, hang and change states at a test's wish. What it decides is
canned.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from tallymark.v1 import process_pb2
from tallymark.v1 import terminal_service_pb2 as pb
from tallymark.v1.terminal_service_pb2_grpc import (
    TerminalServiceServicer,
    add_TerminalServiceServicer_to_server,
)
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.terminal_access import Context
from tests.doubles.terminal_keys import TerminalKeys
from tests.doubles.terminal_processes import (
    COMPLETED,
    FINAL,
    INSTRUCTED,
    RELEASED,
    TerminalProcesses,
)

__all__ = ["TerminalServiceDouble"]

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["TerminalService"].full_name


class TerminalServiceDouble(TerminalKeys, TerminalProcesses, TerminalServiceServicer):
    """Holds what the calls leave behind, in fields that tests read and fill."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        super().__init__(now=now)
        self.terminal_address = ""
        """Where enrolled terminals call, while it is served."""

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

    async def Enroll(self, request: pb.EnrollRequest, context: Context) -> pb.EnrollResponse:
        return await self._do("Enroll", request, context, lambda: self.access.enrol(request))

    async def RenewCertificate(
        self, request: pb.RenewCertificateRequest, context: Context
    ) -> pb.RenewCertificateResponse:
        def renew() -> pb.RenewCertificateResponse:
            issued = self.access.issue(request.certificate_request)
            return pb.RenewCertificateResponse(certificate=issued)

        return await self._do_once("RenewCertificate", request, context, renew)

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
