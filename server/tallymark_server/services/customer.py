"""CustomerService: what a phone calls."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark.v1 import customer_service_pb2_grpc as contract_grpc
from tallymark.v1 import identification_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain import commands
from tallymark_server.domain.answers import CodeAnswer, Done, ProcessAnswer
from tallymark_server.domain.commands import Caller, RequestKey, RightPassword
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.people import BillReference, TicketReference
from tallymark_server.domain.model.processes import (
    CodePurpose,
    CustomerProcess,
    Process,
    ProcessState,
)
from tallymark_server.domain.policy import code_life_seconds
from tallymark_server.lanes.feed import Feed
from tallymark_server.services.answering import (
    decided,
    first_of_page,
    load_one,
    page,
    request_key,
)
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.code_maker import CodeMaker, MadeCode
from tallymark_server.services.customer_accounts import CustomerAccounts
from tallymark_server.services.customer_numbers import CustomerNumbers
from tallymark_server.services.processes_out import process_message, receipt_message
from tallymark_server.services.values_out import time_message
from tallymark_server.services.wallet import wallet_message

__all__ = ["CustomerService"]

PAGE_SIZE: Final = 50
EVENTS_KEPT: Final = 200
"""Processes that a phone which was away is told about when it comes back; older ones it lists."""

LIFE_SIGN_SECONDS: Final = 20.0
"""A watching phone hears at least this often, so that it notices a dead connection."""

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerService(CustomerAccounts, CustomerNumbers, contract_grpc.CustomerServiceServicer):
    """Codes and processes, over the customer's own affairs of `CustomerAccounts`."""

    def __init__(
        self,
        *,
        codes: CodeMaker,
        feed: Feed,
        **parts: Any,  # noqa: ANN401 -- passed on; CustomerAccounts states their types
    ) -> None:
        """Take the parts it works with; `parts` are those of `CustomerAccounts`."""
        super().__init__(**parts)
        self._codes = codes
        self._feed = feed

    async def GetWallet(
        self, request: contract.GetWalletRequest, context: _Context
    ) -> contract.GetWalletResponse:
        """Return what is registered."""
        caller = CALLER.get()
        return await wallet_message(self._store, await self._customer(caller), caller)

    async def IssueCode(
        self, request: contract.IssueCodeRequest, context: _Context
    ) -> contract.IssueCodeResponse:
        """Make a code, keep its hashes, and return its text."""
        caller = CALLER.get()
        purpose = CodePurpose(request.purpose)
        policy = await load_one(self._store, Policy.key_of_current()) or Policy()
        life_seconds = code_life_seconds(policy, purpose)
        expires_at_seconds = self._clock.now() // 1000 + life_seconds
        made = self._make_code(caller, request, expires_at_seconds)
        key = request_key(self._keyring, "IssueCode", request, request.request_id)
        answer = await decided(
            self._lane,
            commands.IssueCode(
                caller=caller,
                partition=customer_partition(caller),
                request=key,
                cti_hash=made.cti_hash,
                text_hash=made.text_hash,
                expires_at_seconds=expires_at_seconds,
                purpose=purpose,
                card_id=request.card_id,
                bill=_bill_choice(request),
                ticket=_ticket_choice(request),
                audience=request.audience,
                password=await self._check_password(caller, request.password, key),
            ),
            CodeAnswer,
        )
        if answer.cti_hash != made.cti_hash:  # an earlier answer: make its code again
            made = self._make_code(caller, request, answer.expires_at_seconds)
        return _code_response(caller, answer, made)

    async def RevokeCode(
        self, request: contract.RevokeCodeRequest, context: _Context
    ) -> contract.RevokeCodeResponse:
        """Revoke the device's unused codes."""
        caller = CALLER.get()
        command = commands.RevokeCode(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "RevokeCode", request, request.request_id),
            purpose=CodePurpose(request.purpose) if request.purpose else None,
        )
        answer = await decided(self._lane, command, Done)
        return contract.RevokeCodeResponse(codes_revoked=answer.count)

    async def WatchProcesses(
        self, request: contract.WatchProcessesRequest, context: _Context
    ) -> AsyncIterator[contract.WatchProcessesResponse]:
        """Stream what has changed since a known event, then every change."""
        caller = CALLER.get()
        with self._feed.subscribe(caller.caller_id) as subscription:
            last_event = (await self._customer(caller)).last_event
            # What is not counted yet, the phone knows from before a backup was restored.
            event = request.after_event if request.after_event <= last_event else 0
            missed = await self._processes_between(caller, event, last_event)
            while True:
                for process in missed:
                    if process.event > event:
                        event = process.event
                        message = process_message(process, customer_reference=None)
                        yield contract.WatchProcessesResponse(event=event, process=message)
                try:
                    missed = await asyncio.wait_for(subscription.next(), LIFE_SIGN_SECONDS)
                except TimeoutError:
                    missed = []
                    yield contract.WatchProcessesResponse(event=event)

    async def ConfirmProcess(
        self, request: contract.ConfirmProcessRequest, context: _Context
    ) -> contract.ConfirmProcessResponse:
        """Take the customer's answer."""
        caller = CALLER.get()
        command = commands.ConfirmProcess(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "ConfirmProcess", request, request.request_id),
            process_id=request.process_id,
            approve=request.decision == contract.DECISION_APPROVE,
            digits=request.confirmation_digits,
        )
        answer = await decided(self._lane, command, ProcessAnswer)
        message = process_message(answer.process, customer_reference=None)
        return contract.ConfirmProcessResponse(process=message)

    async def DisputeProcess(
        self, request: contract.DisputeProcessRequest, context: _Context
    ) -> contract.DisputeProcessResponse:
        """Take the customer's objection."""
        caller = CALLER.get()
        command = commands.DisputeProcess(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "DisputeProcess", request, request.request_id),
            process_id=request.process_id,
            statement=request.statement,
        )
        answer = await decided(self._lane, command, ProcessAnswer)
        message = process_message(answer.process, customer_reference=None)
        return contract.DisputeProcessResponse(process=message)

    async def ListProcesses(
        self, request: contract.ListProcessesRequest, context: _Context
    ) -> contract.ListProcessesResponse:
        """List the customer's processes, newest first."""
        caller = CALLER.get()
        size = request.page_size or PAGE_SIZE
        before = first_of_page(request.page_token, CustomerProcess)
        if before and not before.startswith(f"{caller.caller_id}/"):
            raise Refused(Reason.PAGE_TOKEN_INVALID)
        entries = await self._index(caller, before=before, limit=size + 1)
        shown, token = page(entries, size)
        processes = await self._load_processes([entry.process_id for entry in shown])
        return contract.ListProcessesResponse(
            processes=[process_message(one, customer_reference=None) for one in processes],
            next_page_token=token,
        )

    async def GetReceipt(
        self, request: contract.GetReceiptRequest, context: _Context
    ) -> contract.GetReceiptResponse:
        """Return the receipt of a completed process."""
        process = await load_one(self._store, Process.key_of(request.process_id))
        if process is None or process.customer_id != CALLER.get().caller_id:
            raise Refused(Reason.PROCESS_NOT_FOUND)
        if process.state is not ProcessState.COMPLETED:
            raise Refused(Reason.RECEIPT_NOT_READY, state=process.state.name)
        return contract.GetReceiptResponse(receipt=receipt_message(process))

    def _make_code(
        self, caller: Caller, request: contract.IssueCodeRequest, expires_at_seconds: int
    ) -> MadeCode:
        return self._codes.make(
            caller.caller_id,
            request.request_id.lower(),
            partition=customer_partition(caller),
            expires_at_seconds=expires_at_seconds,
            audience=request.audience,
            ticket=_ticket_choice(request),
        )

    async def _check_password(
        self, caller: Caller, password: str, key: RequestKey
    ) -> RightPassword | None:
        """Return the right password, None if none was given; a wrong one ends the call."""
        if not password:
            return None
        customer = await self._customer(caller)
        return await self._passwords.check(
            customer, password, login_name=customer.login_name, request=key
        )

    async def _processes_between(self, caller: Caller, after: int, last: int) -> list[Process]:
        """Return the newest processes whose last change lies between, in the order of the changes.

        What changes while they are read is left to the subscription: told here, it could stand for
        an earlier change that was not read.
        """
        entries = await self._index(caller, before="", limit=EVENTS_KEPT)
        processes = await self._load_processes([entry.process_id for entry in entries])
        changed = [process for process in processes if after < process.event <= last]
        return sorted(changed, key=lambda process: process.event)

    async def _index(self, caller: Caller, *, before: str, limit: int) -> list[CustomerProcess]:
        """Return the customer's newest entries, from `before` on if it is given."""
        return await self._store.scan(
            CustomerProcess,
            customer_partition(caller),
            first=f"{caller.caller_id}/",
            last=f"{before}\0" if before else f"{caller.caller_id}0",  # "0" follows "/"
            limit=limit,
            newest_first=True,
        )

    async def _load_processes(self, process_ids: list[str]) -> list[Process]:
        keys = [Process.key_of(process_id) for process_id in process_ids]
        rows = await self._store.load(keys)
        return [row for key in keys if isinstance(row := rows[key], Process)]


def _bill_choice(request: contract.IssueCodeRequest) -> BillReference | None:
    if not request.HasField("bill"):
        return None
    return BillReference(
        merchant_id=request.bill.merchant_id, bill_reference=request.bill.bill_reference
    )


def _ticket_choice(request: contract.IssueCodeRequest) -> TicketReference | None:
    if not request.HasField("ticket"):
        return None
    return TicketReference(event_id=request.ticket.event_id, ticket_id=request.ticket.ticket_id)


def _code_response(
    caller: Caller, answer: CodeAnswer, made: MadeCode
) -> contract.IssueCodeResponse:
    expires_at = answer.expires_at_seconds * 1000
    return contract.IssueCodeResponse(
        code=made.text,
        code_reference=identification_pb2.CodeReference(
            partition=customer_partition(caller),
            cti_hash=bytes.fromhex(answer.cti_hash),
            expires_at_seconds=answer.expires_at_seconds,
        ),
        issued_at=time_message(answer.issued_at),
        expires_at=time_message(expires_at),
        next_at=time_message(answer.issued_at + (expires_at - answer.issued_at) * 3 // 4),
    )
