"""TerminalService: what a till, gate or kiosk calls."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc

from tallymark.v1 import process_pb2
from tallymark.v1 import terminal_service_pb2 as contract
from tallymark.v1 import terminal_service_pb2_grpc as contract_grpc
from tallymark_protocol.errors import NotDone
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import (
    Answer,
    ProcessAnswer,
    RefusedAnswer,
    ReversalAnswer,
    SeenProcess,
)
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Merchant,
    Terminal,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.processes.finish import RESOLVE_RPC
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one, refusal, request_key
from tallymark_server.services.callers import CALLER
from tallymark_server.services.enrolment import Certificates
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.messages_in import ask_from, money_from, process_name_from
from tallymark_server.services.processes_out import process_message, receipt_message
from tallymark_server.services.registrations_out import verification_key_message
from tallymark_server.services.values_out import number_in_contract, time_message
from tallymark_server.storage.store import Store

__all__ = ["TerminalService"]

WAIT_MILLISECONDS: Final = 5_000
"""How long ResolveCode waits for a decision unless the terminal says otherwise."""

MARGIN_SECONDS: Final = 0.3
"""Kept back of the caller's deadline, so that the answer arrives before it."""

_UNDECIDED: Final = {ProcessState.AWAITING_CUSTOMER, ProcessState.AUTHORISING}

_Context = grpc.aio.ServicerContext[Any, Any]


class TerminalService(contract_grpc.TerminalServiceServicer):
    """Turns each call into a command, and shows each terminal its own processes only."""

    def __init__(  # noqa: PLR0913 -- a service takes what it needs
        self,
        *,
        lane: Lane,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        lookup: Lookup,
        feed: Feed,
        certificates: Certificates,
        port: Callable[[], int],
    ) -> None:
        """Take the parts it works with, and what tells the port that terminals call."""
        self._lane = lane
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._lookup = lookup
        self._feed = feed
        self._certificates = certificates
        self._port = port

    async def Enroll(
        self, request: contract.EnrollRequest, context: _Context
    ) -> contract.EnrollResponse:
        """Exchange the enrolment code for the terminal's certificate."""
        answer = await self._certificates.enrol(CallerKind.TERMINAL, request)
        terminal = await load_one(self._store, Terminal.key_of(answer.owner_id))
        assert terminal is not None, "a certificate's terminal exists"
        merchant = await load_one(self._store, Merchant.key_of(terminal.merchant_id))
        assert merchant is not None, "a terminal's merchant exists"
        return contract.EnrollResponse(
            terminal_id=terminal.terminal_id,
            merchant_id=merchant.merchant_id,
            merchant_name=merchant.name,
            certificate=self._certificates.message(answer),
            terminal_port=self._port(),
        )

    async def RenewCertificate(
        self, request: contract.RenewCertificateRequest, context: _Context
    ) -> contract.RenewCertificateResponse:
        """Issue the terminal's next certificate."""
        answer = await self._certificates.renew(CALLER.get(), request)
        return contract.RenewCertificateResponse(certificate=self._certificates.message(answer))

    async def ListVerificationKeys(
        self, request: contract.ListVerificationKeysRequest, context: _Context
    ) -> contract.ListVerificationKeysResponse:
        """Tell what verifies codes, and the time."""
        return contract.ListVerificationKeysResponse(
            keys=[verification_key_message(key) for key in self._keyring.verification_keys()],
            epoch=self._keyring.epoch,
            server_time=time_message(self._clock.now()),
        )

    async def ResolveCode(
        self, request: contract.ResolveCodeRequest, context: _Context
    ) -> contract.ResolveCodeResponse:
        """Claim the code, decide, and wait a while for what is undecided."""
        caller = CALLER.get()
        partition, identification = await self._lookup.identify(request.identification)
        command = commands.ResolveCode(
            caller=caller,
            partition=partition,
            request=request_key(
                self._keyring, RESOLVE_RPC, _without_wait(request), request.request_id
            ),
            identification=identification,
            asks=tuple(ask_from(action) for action in request.actions),
            sale_total=(money_from(request.sale_total) if request.HasField("sale_total") else None),
            complete_on_instruction=request.complete_on_instruction,
            fresh=os.urandom(10),
            digits=f"{secrets.randbelow(100):02d}",
        )
        process = await self._resolved(await self._lane.submit(command))
        wait_seconds = (request.wait_milliseconds or WAIT_MILLISECONDS) / 1000
        remaining_seconds = context.time_remaining()
        if remaining_seconds is not None:
            wait_seconds = min(wait_seconds, remaining_seconds - MARGIN_SECONDS)
        if process.state in _UNDECIDED:
            process = await self._wait_for_decision(process, wait_seconds)
        return contract.ResolveCodeResponse(process=self._message(process))

    async def GetProcess(
        self, request: contract.GetProcessRequest, context: _Context
    ) -> contract.GetProcessResponse:
        """Tell what is known of a process or of a request."""
        caller = CALLER.get()
        name = process_name_from(request.reference)
        if not name.process_id:
            known = await self._lookup.request(caller, request.reference)
            if known is None:
                return contract.GetProcessResponse(knowledge=contract.PROCESS_KNOWLEDGE_NEVER_SEEN)
            if known.is_reversed:
                return contract.GetProcessResponse(
                    knowledge=contract.PROCESS_KNOWLEDGE_REVERSED_UNSEEN
                )
            if known.refused:
                return contract.GetProcessResponse(
                    knowledge=contract.PROCESS_KNOWLEDGE_FAILED, failed_reason=known.refused
                )
        process = await self._lookup.own_process(caller, request.reference)
        is_completed = process.state is ProcessState.COMPLETED
        return contract.GetProcessResponse(
            knowledge=contract.PROCESS_KNOWLEDGE_FOUND,
            process=self._message(process),
            receipt=receipt_message(process) if is_completed else None,
        )

    async def WatchProcess(
        self, request: contract.WatchProcessRequest, context: _Context
    ) -> AsyncIterator[contract.WatchProcessResponse]:
        """Stream the states of one process until the final one."""
        process = await self._lookup.own_process(CALLER.get(), request.reference)
        with self._feed.subscribe(process.process_id) as subscription:
            news = [await self._lookup.process(process.process_id)]
            while True:
                for process in news:
                    yield contract.WatchProcessResponse(process=self._message(process))
                    if process.is_final:
                        return
                news = await subscription.next()

    async def CompleteProcess(
        self, request: contract.CompleteProcessRequest, context: _Context
    ) -> contract.CompleteProcessResponse:
        """Take the report that everything was executed."""
        command = commands.CompleteProcess(
            caller=CALLER.get(),
            partition=await self._lookup.partition_of(request.reference.identification),
            request=request_key(self._keyring, "CompleteProcess", request, request.request_id),
            name=process_name_from(request.reference),
        )
        answer = await decided(self._lane, command, ProcessAnswer)
        return contract.CompleteProcessResponse(
            process=self._message(answer.process), receipt=receipt_message(answer.process)
        )

    async def ReverseProcess(
        self, request: contract.ReverseProcessRequest, context: _Context
    ) -> contract.ReverseProcessResponse:
        """Give up or take back."""
        command = commands.ReverseProcess(
            caller=CALLER.get(),
            partition=await self._lookup.partition_of(request.reference.identification),
            request=request_key(self._keyring, "ReverseProcess", request, request.request_id),
            name=process_name_from(request.reference),
            note=request.note,
            fresh=os.urandom(10),
        )
        answer = await decided(self._lane, command, ReversalAnswer)
        return contract.ReverseProcessResponse(
            outcome=number_in_contract(answer.outcome),
            refused_because=number_in_contract(answer.refused_because),
            process=self._message(answer.process) if answer.process else None,
            reversal=self._message(answer.reversal) if answer.reversal else None,
        )

    async def UpdatePoints(
        self, request: contract.UpdatePointsRequest, context: _Context
    ) -> contract.UpdatePointsResponse:
        """Stage a changed number of points."""
        command = commands.UpdatePoints(
            caller=CALLER.get(),
            partition=await self._lookup.partition_of(request.reference.identification),
            request=request_key(self._keyring, "UpdatePoints", request, request.request_id),
            name=process_name_from(request.reference),
            version=request.version,
            new_balance=request.new_balance,
        )
        answer = await decided(self._lane, command, ProcessAnswer)
        return contract.UpdatePointsResponse(process=self._message(answer.process))

    async def _resolved(self, answer: Answer) -> Process:
        match answer:
            case ProcessAnswer():
                return answer.process
            case SeenProcess():
                return await self._lookup.process(answer.process_id)
            case RefusedAnswer():
                raise refusal(answer)
            case _:
                message = "ResolveCode has no other answers"
                raise AssertionError(message)

    async def _wait_for_decision(self, process: Process, wait_seconds: float) -> Process:
        """Return the process when it is decided, or as it stands when the time is over."""
        with self._feed.subscribe(process.process_id) as subscription:
            try:
                async with asyncio.timeout(wait_seconds):
                    process = await self._lookup.process(process.process_id)
                    while process.state in _UNDECIDED:
                        process = (await subscription.next())[-1]
            except (TimeoutError, NotDone):
                pass  # the time is over, or the server stops: tell how it stands
        return process

    def _message(self, process: Process) -> process_pb2.Process:
        reference = ""
        if process.customer_id:
            reference = self._keyring.customer_reference(process.merchant_id, process.customer_id)
        return process_message(process, customer_reference=reference)


def _without_wait(request: contract.ResolveCodeRequest) -> contract.ResolveCodeRequest:
    """Return the request without what may differ when it is repeated: how long the caller waits."""
    copy = contract.ResolveCodeRequest()
    copy.CopyFrom(request)
    copy.ClearField("wait_milliseconds")
    return copy
