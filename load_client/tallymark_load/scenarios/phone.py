"""A customer's phone in a load: its calls are measured, its answers signed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc

from tallymark.v1 import (
    customer_service_pb2,
    identification_pb2,
    process_pb2,
)
from tallymark.v1.customer_service_pb2_grpc import CustomerServiceStub
from tallymark_load.cast import MEMBER_KEY, Customer
from tallymark_load.cast.phone_requests import confirm_request
from tallymark_load.request_ids import new_request_id
from tallymark_load.scenarios.chain import CALL_SECONDS_MAX, CallFailed, Chain, outcome_of

__all__ = ["Phone", "Watch"]

_SERVICE: Final = "/tallymark.v1.CustomerService"


class Phone:
    """Calls as a customer."""

    def __init__(self, stub: CustomerServiceStub, customer: Customer) -> None:
        """Take the connection, and whose phone it is."""
        self._stub = stub
        self._metadata = ((MEMBER_KEY, customer.name), *customer.credentials)
        self._key = customer.device_key
        self._last_event = 0
        self.customer = customer
        self.entries_used = customer.entries_used

    async def issue(
        self,
        chain: Chain,
        purpose: identification_pb2.CodePurpose.ValueType = identification_pb2.CODE_PURPOSE_GENERAL,
        *,
        ticket: customer_service_pb2.TicketChoice | None = None,
        terminal_tag: str = "",
    ) -> str:
        """Fetch a code and return its text."""
        request = customer_service_pb2.IssueCodeRequest(
            request_id=new_request_id(), purpose=purpose, ticket=ticket, terminal_tag=terminal_tag
        )
        name = f"{_SERVICE}/IssueCode"
        return (await chain.call(name, self._stub.IssueCode, request, self._metadata)).code

    async def answer(
        self, chain: Chain, shown: process_pb2.Process, *, approve: bool
    ) -> process_pb2.Process:
        """Sign and send the customer's answer to a process as it was shown."""
        request = confirm_request(shown, self._key, new_request_id(), approve=approve)
        name = f"{_SERVICE}/ConfirmProcess"
        answer = await chain.call(name, self._stub.ConfirmProcess, request, self._metadata)
        return answer.process

    async def wallet(self, chain: Chain) -> customer_service_pb2.GetWalletResponse:
        """Look at everything that is registered."""
        request = customer_service_pb2.GetWalletRequest()
        return await chain.call(
            f"{_SERVICE}/GetWallet", self._stub.GetWallet, request, self._metadata
        )

    async def processes(self, chain: Chain, size: int) -> list[process_pb2.Process]:
        """Look at the newest processes."""
        request = customer_service_pb2.ListProcessesRequest(page_size=size)
        name = f"{_SERVICE}/ListProcesses"
        answer = await chain.call(name, self._stub.ListProcesses, request, self._metadata)
        return list(answer.processes)

    async def receipt(self, chain: Chain, process_id: str) -> process_pb2.Receipt:
        """Look at the receipt of a process."""
        request = customer_service_pb2.GetReceiptRequest(process_id=process_id)
        name = f"{_SERVICE}/GetReceipt"
        return (await chain.call(name, self._stub.GetReceipt, request, self._metadata)).receipt

    async def look_for_receipt(self, chain: Chain, process_id: str, *, expected: str) -> None:
        """Ask for a receipt that there is not."""
        request = customer_service_pb2.GetReceiptRequest(process_id=process_id)
        name = f"{_SERVICE}/GetReceipt"
        await chain.refused(name, self._stub.GetReceipt, request, self._metadata, expected=expected)

    async def revoke_codes(self, chain: Chain) -> int:
        """Leave the screen: return how many unused codes died by it."""
        request = customer_service_pb2.RevokeCodeRequest(request_id=new_request_id())
        name = f"{_SERVICE}/RevokeCode"
        answer = await chain.call(name, self._stub.RevokeCode, request, self._metadata)
        return answer.codes_revoked

    @asynccontextmanager
    async def watching(self, chain: Chain) -> AsyncIterator["Watch"]:
        """Listen to the customer's processes while the context lasts."""
        request = customer_service_pb2.WatchProcessesRequest(after_event=self._last_event)
        call = self._stub.WatchProcesses(request, metadata=self._metadata, timeout=CALL_SECONDS_MAX)
        watch = Watch(chain, call, self._last_event)
        try:
            yield watch
        finally:
            self._last_event = watch.last_event
            call.cancel()


class Watch:
    """A stream of the changes of a customer's processes."""

    def __init__(
        self,
        chain: Chain,
        call: grpc.aio.UnaryStreamCall[
            customer_service_pb2.WatchProcessesRequest,
            customer_service_pb2.WatchProcessesResponse,
        ],
        last_event: int,
    ) -> None:
        """Take the call that was begun."""
        self._chain = chain
        self._call = call
        self.last_event = last_event

    async def until(
        self, process_id: str, state: process_pb2.ProcessState.ValueType, *, since_ns: int
    ) -> process_pb2.Process:
        """Wait for a process to be in a state; its news could have come since a moment.

        Raises:
            CallFailed: the stream ended before.

        """
        name = f"{_SERVICE}/WatchProcesses"
        outcome = "ENDED"
        try:
            async for change in self._call:
                self.last_event = max(self.last_event, change.event)
                if change.process.process_id == process_id and change.process.state == state:
                    self._chain.heard(name, since_ns=since_ns)
                    return change.process
        except grpc.aio.AioRpcError as error:
            outcome = outcome_of(error)
        self._chain.heard(name, since_ns=since_ns, outcome=outcome)
        raise CallFailed(name, outcome)
