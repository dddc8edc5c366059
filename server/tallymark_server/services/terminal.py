"""TerminalService: what a till, gate or kiosk calls."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc

from tallymark.v1 import terminal_service_pb2 as contract
from tallymark.v1 import terminal_service_pb2_grpc as contract_grpc
from tallymark_server.beginning import newest_recovery
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import (
    Done,
    ProcessAnswer,
    ReversalAnswer,
    SaleReportAnswer,
)
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Merchant,
    Policy,
    Terminal,
)
from tallymark_server.domain.model.recovery import SaleReportOutcome
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one
from tallymark_server.services.callers import CALLER
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.enrolment import Certificates
from tallymark_server.services.exchange import Exchange
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.registrations_out import verification_key_message
from tallymark_server.services.sealed_records import SealedRecords
from tallymark_server.services.tag_maker import TagMaker
from tallymark_server.services.terminal_answers import TerminalAnswers
from tallymark_server.services.terminal_commands import TerminalCommands
from tallymark_server.services.terminal_resolve import TerminalResolving
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store

__all__ = ["TerminalService"]

_Context = grpc.aio.ServicerContext[Any, Any]


class TerminalService(TerminalResolving, contract_grpc.TerminalServiceServicer):
    """Turns each call into a command, and shows each terminal its own processes only."""

    def __init__(  # noqa: PLR0913 -- a service takes what it needs
        self,
        *,
        lane: Lane,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        lookup: Lookup,
        tags: TagMaker,
        feed: Feed,
        certificates: Certificates,
        checkpoints: Checkpoints,
        records: SealedRecords,
        commands: TerminalCommands,
        answers: TerminalAnswers,
        exchange: Exchange,
        port: Callable[[], int],
    ) -> None:
        """Take the parts it works with, and what tells the port that terminals call."""
        self._lane = lane
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._lookup = lookup
        self._tags = tags
        self._feed = feed
        self._certificates = certificates
        self._checkpoints = checkpoints
        self._records = records
        self._commands = commands
        self._answers = answers
        self._exchange = exchange
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

    async def GetTag(
        self, request: contract.GetTagRequest, context: _Context
    ) -> contract.GetTagResponse:
        """Sign a tag of the calling terminal."""
        policy = await load_one(self._store, Policy.key_of_current()) or Policy()
        tag = self._tags.make(
            CALLER.get(), life_seconds=policy.tag_life_seconds, printed=request.printed
        )
        return contract.GetTagResponse(
            tag=tag.text,
            expires_at=time_message(tag.expires_at_seconds * 1000),
            next_at=time_message(tag.next_at_seconds * 1000),
        )

    async def ListVerificationKeys(
        self, request: contract.ListVerificationKeysRequest, context: _Context
    ) -> contract.ListVerificationKeysResponse:
        """Tell what verifies codes, and the time."""
        return contract.ListVerificationKeysResponse(
            keys=[verification_key_message(key) for key in self._keyring.verification_keys()],
            epoch=self._keyring.epoch,
            server_time=time_message(self._clock.now()),
            checkpoint=await self._checkpoints.signed(),
            open_recovery=await self._open_recovery(),
        )

    async def GetProcess(
        self, request: contract.GetProcessRequest, context: _Context
    ) -> contract.GetProcessResponse:
        """Tell what is known of a process or of a request."""
        return await self._answers.known(CALLER.get(), request)

    async def WatchProcess(
        self, request: contract.WatchProcessRequest, context: _Context
    ) -> AsyncIterator[contract.WatchProcessResponse]:
        """Stream the states of one process until the final one."""
        process = await self._lookup.own_process(CALLER.get(), request.reference)
        with self._feed.subscribe(process.process_id) as subscription:
            news = [await self._lookup.process(process.process_id)]
            told = 0
            while True:
                for process in map(as_terminal_sees, news):
                    if process.version > told:  # what only the customer notices is no news
                        told = process.version
                        yield contract.WatchProcessResponse(process=self._answers.process(process))
                    if process.is_final:
                        return
                news = await subscription.next()

    async def CompleteProcess(
        self, request: contract.CompleteProcessRequest, context: _Context
    ) -> contract.CompleteProcessResponse:
        """Take the report that everything was executed."""
        command = await self._commands.complete_process(CALLER.get(), request)
        return self._answers.completed(await decided(self._lane, command, ProcessAnswer))

    async def ReverseProcess(
        self, request: contract.ReverseProcessRequest, context: _Context
    ) -> contract.ReverseProcessResponse:
        """Give up or take back."""
        command = await self._commands.reverse_process(CALLER.get(), request)
        return self._answers.reversed(await decided(self._lane, command, ReversalAnswer))

    async def UpdatePoints(
        self, request: contract.UpdatePointsRequest, context: _Context
    ) -> contract.UpdatePointsResponse:
        """Stage a changed number of points."""
        command = await self._commands.update_points(CALLER.get(), request)
        return self._answers.updated(await decided(self._lane, command, ProcessAnswer))

    async def Exchange(
        self,
        request_iterator: AsyncIterator[contract.ExchangeRequest | None],
        context: _Context,
    ) -> AsyncIterator[contract.ExchangeResponse]:
        """Take commands and give answers in batches, over one stream."""
        await context.send_initial_metadata(())  # the caller may send
        async with aclosing(self._exchange.serve(CALLER.get(), request_iterator)) as responses:
            async for response in responses:
                yield response

    async def ReportSales(
        self, request: contract.ReportSalesRequest, context: _Context
    ) -> contract.ReportSalesResponse:
        """Take in what a terminal executed and this database does not have."""
        outcomes = await asyncio.gather(
            *(self._report(request.recovery_id, record) for record in request.sealed_records)
        )
        if request.is_last:
            finish = commands.FinishReport(
                caller=CALLER.get(), partition=DIRECTORY, recovery_id=request.recovery_id
            )
            await decided(self._lane, finish, Done)
        counts = Counter(outcomes)
        return contract.ReportSalesResponse(
            known=counts[SaleReportOutcome.KNOWN],
            applied=counts[SaleReportOutcome.APPLIED],
            with_problems=counts[SaleReportOutcome.PARTLY_APPLIED]
            + counts[SaleReportOutcome.CONTRADICTS],
            not_genuine=counts[SaleReportOutcome.NOT_GENUINE],
        )

    async def _report(self, recovery_id: str, record: bytes) -> SaleReportOutcome:
        caller = CALLER.get()
        process = self._records.open(record, terminal_id=caller.caller_id)
        command = commands.ReportSale(
            caller=caller,
            partition=process.partition if process else DIRECTORY,
            recovery_id=recovery_id,
            process=process,
            record_hash=hashlib.sha256(record).hexdigest(),
        )
        return (await decided(self._lane, command, SaleReportAnswer)).outcome

    async def _open_recovery(self) -> contract.OpenRecovery | None:
        recovery = await newest_recovery(self._store)
        if recovery is None or not recovery.is_unsettled:
            return None
        return contract.OpenRecovery(
            recovery_id=recovery.recovery_id, lost_since=time_message(recovery.lost_since)
        )
