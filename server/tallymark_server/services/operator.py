"""OperatorService: what the person who runs the server calls."""

from collections.abc import Callable
from typing import Any

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import operator_service_pb2_grpc as contract_grpc
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import ProcessAnswer, RowAnswer
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.identifiers import DIRECTORY, partition_of_id
from tallymark_server.domain.model.merchants import CallerKind, Operator, Policy
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
from tallymark_server.services.operator_registrations import OperatorRegistrations
from tallymark_server.services.operator_terminals import OperatorTerminals
from tallymark_server.services.processes_out import process_message
from tallymark_server.services.registrations_out import operator_message, policy_message
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
    OperatorTerminals,
    OperatorRegistrations,
    OperatorDevices,
    OperatorKeys,
    OperatorRecovery,
    OperatorReconciliation,
    contract_grpc.OperatorServiceServicer,
):
    """Operators, merchants, the policy, and what waits for a person, over the other parts."""

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
