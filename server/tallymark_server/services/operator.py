"""OperatorService: what the person who runs the server calls."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import operator_service_pb2_grpc as contract_grpc
from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import (
    Answer,
    ProcessAnswer,
    RefusedAnswer,
    RowAnswer,
)
from tallymark_server.domain.commands import Caller, Command
from tallymark_server.domain.identifiers import DIRECTORY, partition_of_id
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Operator,
    Policy,
    Terminal,
    TerminalState,
)
from tallymark_server.domain.model.registrations import PointsGrant
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services import messages_in
from tallymark_server.services.answering import decided, load_one
from tallymark_server.services.callers import CALLER
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.enrolment import Certificates
from tallymark_server.services.operator_devices import OperatorDevices
from tallymark_server.services.operator_keys import KeyRings, OperatorKeys
from tallymark_server.services.operator_lists import OperatorLists
from tallymark_server.services.operator_reconciliation import OperatorReconciliation
from tallymark_server.services.operator_recovery import OperatorRecovery
from tallymark_server.services.processes_out import process_message
from tallymark_server.services.registrations_out import (
    operator_message,
    policy_message,
    terminal_message,
)
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.store import Store

__all__ = ["OperatorService", "local_operator"]

_Context = grpc.aio.ServicerContext[Any, Any]


def local_operator(keyring: Keyring, operator_id: str) -> tuple[commands.CreateOperator, str]:
    """Return the command that creates an operator at the start, and the code to enrol with."""
    code = keyring.derive_secret("tme", "operator", operator_id)
    command = commands.CreateOperator(
        caller=Caller(kind=CallerKind.SERVER, caller_id="start"),
        partition=DIRECTORY,
        operator_id=operator_id,
        code_hash=secret_hash(code),
    )
    return command, code


class OperatorService(
    OperatorLists,
    OperatorDevices,
    OperatorKeys,
    OperatorRecovery,
    OperatorReconciliation,
    contract_grpc.OperatorServiceServicer,
):
    """The changing calls, over those that list and those about devices, keys and backups."""

    def __init__(  # noqa: PLR0913 -- a service takes what it needs
        self,
        *,
        lane: Lane,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        rings: KeyRings,
        backups: Backups | None,
        certificates: Certificates,
        checkpoints: Checkpoints,
        institution: CreditInstitution,
        port: Callable[[], int],
    ) -> None:
        """Take the parts it works with, and what tells the port that operators call."""
        super().__init__(store=store)
        self._lane = lane
        self._clock = clock
        self._keyring = keyring
        self._rings = rings
        self._backups = backups
        self._certificates = certificates
        self._checkpoints = checkpoints
        self._institution = institution
        self._port = port

    async def EnrollOperator(
        self, request: contract.EnrollOperatorRequest, context: _Context
    ) -> contract.EnrollOperatorResponse:
        """Exchange an enrolment code for an operator's certificate."""
        answer = await self._certificates.enrol(CallerKind.OPERATOR, request)
        return contract.EnrollOperatorResponse(
            operator_id=answer.owner_id,
            certificate=self._certificates.message(answer),
            operator_port=self._port(),
        )

    async def RenewCertificate(
        self, request: contract.OperatorServiceRenewCertificateRequest, context: _Context
    ) -> contract.OperatorServiceRenewCertificateResponse:
        """Issue the operator's next certificate."""
        answer = await self._certificates.renew(CALLER.get(), request)
        return contract.OperatorServiceRenewCertificateResponse(
            certificate=self._certificates.message(answer)
        )

    async def RevokeOperator(
        self, request: contract.RevokeOperatorRequest, context: _Context
    ) -> contract.RevokeOperatorResponse:
        """Shut an operator out."""
        command = commands.RevokeOperator(
            caller=CALLER.get(), partition=DIRECTORY, operator_id=request.operator_id
        )
        await decided(self._lane, command, RowAnswer)
        operator = await load_one(self._store, Operator.key_of(request.operator_id))
        assert operator is not None, "the operator was just decided about"
        return contract.RevokeOperatorResponse(operator=operator_message(operator))

    async def CreateOperator(
        self, request: contract.CreateOperatorRequest, context: _Context
    ) -> contract.CreateOperatorResponse:
        """Create another operator."""
        code = self._keyring.derive_secret("tme", "operator", request.operator_id)
        command = commands.CreateOperator(
            caller=CALLER.get(),
            partition=DIRECTORY,
            operator_id=request.operator_id,
            code_hash=secret_hash(code),
        )
        await decided(self._lane, command, RowAnswer)
        return contract.CreateOperatorResponse(enrolment_code=code)

    async def CreateMerchant(
        self, request: contract.CreateMerchantRequest, context: _Context
    ) -> contract.CreateMerchantResponse:
        """Create a merchant."""
        merchant = messages_in.merchant_from(request.merchant)
        command = commands.CreateMerchant(
            caller=CALLER.get(), partition=DIRECTORY, merchant=merchant
        )
        await decided(self._lane, command, RowAnswer)
        return contract.CreateMerchantResponse(merchant=request.merchant)

    async def CreateTerminal(
        self, request: contract.CreateTerminalRequest, context: _Context
    ) -> contract.CreateTerminalResponse:
        """Create a terminal; the enrolment code is shown again until it is used."""
        code = self._terminal_code(request.terminal_id, generation=0)
        command = commands.CreateTerminal(
            caller=CALLER.get(),
            partition=DIRECTORY,
            terminal_id=request.terminal_id,
            merchant_id=request.merchant_id,
            code_hash=secret_hash(code),
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        is_open = terminal.state is TerminalState.CREATED
        code = self._terminal_code(request.terminal_id, generation=terminal.generation)
        return contract.CreateTerminalResponse(
            terminal=terminal_message(terminal), enrolment_code=code if is_open else ""
        )

    async def RevokeTerminal(
        self, request: contract.RevokeTerminalRequest, context: _Context
    ) -> contract.RevokeTerminalResponse:
        """Shut a terminal out."""
        command = commands.RevokeTerminal(
            caller=CALLER.get(), partition=DIRECTORY, terminal_id=request.terminal_id
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        return contract.RevokeTerminalResponse(terminal=terminal_message(terminal))

    async def DelegateTerminal(
        self, request: contract.DelegateTerminalRequest, context: _Context
    ) -> contract.DelegateTerminalResponse:
        """Let another terminal speak for a terminal."""
        command = commands.DelegateTerminal(
            caller=CALLER.get(),
            partition=DIRECTORY,
            terminal_id=request.terminal_id,
            concentrator_id=request.concentrator_id,
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        return contract.DelegateTerminalResponse(terminal=terminal_message(terminal))

    async def ReenrollTerminal(
        self, request: contract.ReenrollTerminalRequest, context: _Context
    ) -> contract.ReenrollTerminalResponse:
        """Let a terminal enrol once more; the code is shown again until it is used."""
        before = await load_one(self._store, Terminal.key_of(request.terminal_id))
        generation = before.generation + 1 if before else 0
        code = self._terminal_code(request.terminal_id, generation=generation)
        command = commands.ReenrolTerminal(
            caller=CALLER.get(),
            partition=DIRECTORY,
            terminal_id=request.terminal_id,
            generation=generation,
            code_hash=secret_hash(code),
        )
        await decided(self._lane, command, RowAnswer)
        terminal = await self._terminal(request.terminal_id)
        return contract.ReenrollTerminalResponse(
            terminal=terminal_message(terminal),
            enrolment_code=self._terminal_code(request.terminal_id, generation=terminal.generation),
        )

    async def CreateEvent(
        self, request: contract.CreateEventRequest, context: _Context
    ) -> contract.CreateEventResponse:
        """Create an event."""
        event = messages_in.event_from(request.event)
        command = commands.CreateEvent(caller=CALLER.get(), partition=DIRECTORY, event=event)
        await decided(self._lane, command, RowAnswer)
        return contract.CreateEventResponse(event=request.event)

    async def CreateProgramme(
        self, request: contract.CreateProgrammeRequest, context: _Context
    ) -> contract.CreateProgrammeResponse:
        """Create a points programme."""
        programme = messages_in.programme_from(request.programme)
        command = commands.CreateProgramme(
            caller=CALLER.get(), partition=DIRECTORY, programme=programme
        )
        await decided(self._lane, command, RowAnswer)
        return contract.CreateProgrammeResponse(programme=request.programme)

    async def AddBills(
        self, request: contract.AddBillsRequest, context: _Context
    ) -> contract.AddBillsResponse:
        """Add bills, each with an outcome of its own."""
        caller = CALLER.get()
        added = await self._add(
            commands.AddBill(
                caller=caller,
                partition=DIRECTORY,
                bill=messages_in.bill_from(bill),
                login_hash=self._keyring.login_hash(bill.login_name),
            )
            for bill in request.bills
        )
        return contract.AddBillsResponse(outcomes=added)

    async def AddTickets(
        self, request: contract.AddTicketsRequest, context: _Context
    ) -> contract.AddTicketsResponse:
        """Add tickets, each with an outcome of its own."""
        caller = CALLER.get()
        added = await self._add(
            commands.AddTicket(
                caller=caller,
                partition=DIRECTORY,
                ticket=messages_in.ticket_from(ticket),
                login_hash=self._keyring.login_hash(ticket.login_name),
            )
            for ticket in request.tickets
        )
        return contract.AddTicketsResponse(outcomes=added)

    async def AddPoints(
        self, request: contract.AddPointsRequest, context: _Context
    ) -> contract.AddPointsResponse:
        """Add points, each grant with an outcome of its own."""
        caller = CALLER.get()
        added = await self._add(
            commands.GrantPoints(
                caller=caller,
                partition=DIRECTORY,
                login_hash=self._keyring.login_hash(grant.login_name),
                grant=PointsGrant(
                    partition=DIRECTORY,
                    holder_id="",
                    programme_id=grant.programme_id,
                    grant_reference=grant.grant_reference,
                    points=grant.points,
                    granted_at=0,
                ),
            )
            for grant in request.grants
        )
        return contract.AddPointsResponse(outcomes=added)

    async def SetPolicy(
        self, request: contract.SetPolicyRequest, context: _Context
    ) -> contract.SetPolicyResponse:
        """Set the next version of the policy."""
        command = commands.SetPolicy(
            caller=CALLER.get(),
            partition=DIRECTORY,
            policy=messages_in.policy_from(request.policy),
        )
        await decided(self._lane, command, RowAnswer)
        policy = await load_one(self._store, Policy.key_of_current()) or Policy()
        return contract.SetPolicyResponse(policy=policy_message(policy))

    async def SettleProcess(
        self, request: contract.SettleProcessRequest, context: _Context
    ) -> contract.SettleProcessResponse:
        """Settle a process that waits for a person."""
        command = commands.SettleProcess(
            caller=CALLER.get(),
            partition=partition_of_id(request.process_id),
            process_id=request.process_id,
            executed=request.settlement == contract.PROCESS_SETTLEMENT_EXECUTED,
            try_again=request.settlement == contract.PROCESS_SETTLEMENT_TRY_AGAIN,
            note=request.note,
        )
        answer = await decided(self._lane, command, ProcessAnswer)
        message = process_message(answer.process, customer_reference=answer.process.customer_id)
        return contract.SettleProcessResponse(process=message)

    async def GetCheckpoint(
        self, request: contract.GetCheckpointRequest, context: _Context
    ) -> contract.GetCheckpointResponse:
        """Sign the journal's end."""
        return contract.GetCheckpointResponse(checkpoint=await self._checkpoints.signed())

    async def _add(self, rows: Iterable[Command]) -> list[contract.RowOutcome]:
        """Have every row decided by itself, in their order."""
        answers = await asyncio.gather(*(self._lane.submit(row) for row in rows))
        return [_row_outcome(answer) for answer in answers]

    def _terminal_code(self, terminal_id: str, *, generation: int) -> str:
        """Return the enrolment code of this generation of a terminal."""
        return self._keyring.derive_secret("tme", "terminal", terminal_id, str(generation))

    async def _terminal(self, terminal_id: str) -> Terminal:
        terminal = await load_one(self._store, Terminal.key_of(terminal_id))
        assert terminal is not None, "the terminal was just decided about"
        return terminal


def _row_outcome(answer: Answer) -> contract.RowOutcome:
    if isinstance(answer, RefusedAnswer):
        sentence = DESCRIPTIONS[Reason(answer.reason)].sentence
        return contract.RowOutcome(
            result=contract.ROW_RESULT_REFUSED,
            reason=answer.reason,
            message=sentence.format_map(answer.metadata),
        )
    is_new = isinstance(answer, RowAnswer) and answer.is_new
    result = contract.ROW_RESULT_ADDED if is_new else contract.ROW_RESULT_UNCHANGED
    return contract.RowOutcome(result=result)
