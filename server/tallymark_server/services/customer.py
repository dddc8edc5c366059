"""CustomerService: what a phone calls."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark.v1 import customer_service_pb2_grpc as contract_grpc
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain import commands
from tallymark_server.domain.answers import ProcessAnswer
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.processes import (
    CustomerProcess,
    Process,
    ProcessState,
)
from tallymark_server.lanes.feed import Feed
from tallymark_server.services.answering import (
    decided,
    first_of_page,
    load_one,
    page,
    request_key,
)
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.confirmations import signed_statement
from tallymark_server.services.customer_accounts import CustomerAccounts
from tallymark_server.services.customer_codes import CustomerCodes
from tallymark_server.services.processes_out import process_message, receipt_message
from tallymark_server.services.tag_maker import TagMaker
from tallymark_server.services.wallet import wallet_message

__all__ = ["CustomerService"]

PAGE_SIZE: Final = 50
EVENTS_KEPT: Final = 200
"""Processes that a phone which was away is told about when it comes back; older ones it lists."""

LIFE_SIGN_SECONDS: Final = 20.0
"""A watching phone hears at least this often, so that it notices a dead connection."""

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerService(CustomerAccounts, CustomerCodes, contract_grpc.CustomerServiceServicer):
    """Processes, beside the customer's own affairs and codes."""

    def __init__(
        self,
        *,
        codes: CodeMaker,
        tags: TagMaker,
        checkpoints: Checkpoints,
        feed: Feed,
        **parts: Any,  # noqa: ANN401 -- passed on; CustomerAccounts states their types
    ) -> None:
        """Take the parts it works with; `parts` are those of `CustomerAccounts`."""
        super().__init__(**parts)
        self._codes = codes
        self._tags = tags
        self._checkpoints = checkpoints
        self._feed = feed

    async def GetWallet(
        self, request: contract.GetWalletRequest, context: _Context
    ) -> contract.GetWalletResponse:
        """Return what is registered."""
        caller = CALLER.get()
        return await wallet_message(self._store, await self._customer(caller), caller)

    async def WatchProcesses(
        self, request: contract.WatchProcessesRequest, context: _Context
    ) -> AsyncIterator[contract.WatchProcessesResponse]:
        """Stream what has changed since a known event, then every change."""
        caller = CALLER.get()
        with self._feed.subscribe(caller.caller_id) as subscription:
            last_event = (await self._customer(caller)).last_event
            # What is not counted yet, the phone knows from before a backup was restored.
            event = request.after_event if request.after_event <= last_event else 0
            news = await self._processes_between(caller, event, last_event)
            while True:
                while news:  # what was told is let go: the wait for more may be long
                    if news[0].event > event:
                        event = news[0].event
                        message = process_message(news[0], customer_reference=None)
                        yield contract.WatchProcessesResponse(event=event, process=message)
                    del news[0]
                try:
                    async with asyncio.timeout(LIFE_SIGN_SECONDS):
                        news = await subscription.next()
                except TimeoutError:
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
            signed=await signed_statement(self._store, caller, request),
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
        return contract.GetReceiptResponse(
            receipt=receipt_message(process),
            checkpoint=await self._checkpoints.signed(process.partition),
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
