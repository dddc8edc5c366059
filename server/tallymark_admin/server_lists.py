"""The lists of the OperatorService, page by page, as plain rows."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_admin.calls import Method, call
from tallymark_admin.plain import Row, to_row

__all__ = ["PAGE_ITEMS", "ServerLists"]

PAGE_ITEMS: Final = 200
"""Items per page: at a few kilobytes each, far below gRPC's limit for one message (4 MB)."""


class _PageQuestion(Protocol):
    """A request for a part of a list."""

    def __init__(self, *, page: contract.PageRequest) -> None: ...


class _PageAnswer(Protocol):
    """An answer with a part of a list."""

    @property
    def next_page_token(self) -> str: ...


QuestionT = TypeVar("QuestionT", bound=_PageQuestion)
AnswerT = TypeVar("AnswerT", bound=_PageAnswer)


class ServerLists:
    """Each method yields the rows of one list, and asks for the next page when it is needed.

    The methods raise `Refused` and `UnknownOutcome` like those of the connection.
    """

    def __init__(self, stub: OperatorServiceStub) -> None:
        """Take the stub."""
        self._stub = stub

    def operators(self) -> AsyncIterator[Row]:
        """List operators by id."""
        method, question = self._stub.ListOperators, contract.ListOperatorsRequest
        return self._pages(method, question, lambda answer: answer.operators)

    def merchants(self) -> AsyncIterator[Row]:
        """List merchants by id."""
        method, question = self._stub.ListMerchants, contract.ListMerchantsRequest
        return self._pages(method, question, lambda answer: answer.merchants)

    def terminals(self) -> AsyncIterator[Row]:
        """List terminals by id."""
        method, question = self._stub.ListTerminals, contract.ListTerminalsRequest
        return self._pages(method, question, lambda answer: answer.terminals)

    def events(self) -> AsyncIterator[Row]:
        """List events by id."""
        method, question = self._stub.ListEvents, contract.ListEventsRequest
        return self._pages(method, question, lambda answer: answer.events)

    def programmes(self) -> AsyncIterator[Row]:
        """List points programmes by id."""
        method, question = self._stub.ListProgrammes, contract.ListProgrammesRequest
        return self._pages(method, question, lambda answer: answer.programmes)

    def bills(self) -> AsyncIterator[Row]:
        """List bills by merchant and reference."""
        method, question = self._stub.ListBills, contract.ListBillsRequest
        return self._pages(method, question, lambda answer: answer.bills)

    def tickets(self) -> AsyncIterator[Row]:
        """List tickets by event and reference."""
        method, question = self._stub.ListTickets, contract.ListTicketsRequest
        return self._pages(method, question, lambda answer: answer.tickets)

    def points_accounts(self) -> AsyncIterator[Row]:
        """List points accounts by customer and programme."""
        method, question = self._stub.ListPointsAccounts, contract.ListPointsAccountsRequest
        return self._pages(method, question, lambda answer: answer.points_accounts)

    def customers(self) -> AsyncIterator[Row]:
        """List customers by id."""
        method, question = self._stub.ListCustomers, contract.ListCustomersRequest
        return self._pages(method, question, lambda answer: answer.customers)

    async def devices(self, login_name: str) -> AsyncIterator[Row]:
        """List the devices of a customer."""
        request = contract.ListDevicesRequest(login_name=login_name)
        for device in (await call(self._stub.ListDevices, request)).devices:
            yield to_row(device)

    def processes(self) -> AsyncIterator[Row]:
        """List processes, newest first."""
        method, question = self._stub.ListProcesses, contract.OperatorServiceListProcessesRequest
        return self._pages(method, question, lambda answer: answer.processes)

    async def unresolved_processes(self) -> AsyncIterator[Row]:
        """List processes that wait for a person, each with what is to be decided about it."""
        token = ""
        while True:
            page = contract.PageRequest(size=PAGE_ITEMS, token=token)
            request = contract.ListUnresolvedProcessesRequest(page=page)
            answer = await call(self._stub.ListUnresolvedProcesses, request)
            for process in answer.processes:
                asked = [one for one in answer.questions if one.process_id == process.process_id]
                yield {**to_row(process), "questions": [to_row(one) for one in asked]}
            token = answer.next_page_token
            if not token:
                return

    def reported_sales(self) -> AsyncIterator[Row]:
        """List the sales that terminals reported in the newest recovery, by process."""
        method, question = self._stub.ListReportedSales, contract.ListReportedSalesRequest
        return self._pages(method, question, lambda answer: answer.sales)

    async def server_keys(self) -> AsyncIterator[Row]:
        """List the server's keys by kind and number; those that sign codes with their public key.

        That has the epoch beside it, which is part of what is signed.
        """
        answer = await call(self._stub.ListKeys, contract.ListKeysRequest())
        public_keys = {key.key_id: to_row(key.public_key) for key in answer.keys}
        for key in answer.server_keys:
            is_public = key.kind == contract.KEY_KIND_SIGNING
            yield {
                **to_row(key),
                "public_key": public_keys.get(key.key_id) if is_public else None,
                "epoch": answer.epoch if is_public else None,
            }

    async def journal(self, *, after_sequence: int) -> AsyncIterator[Row]:
        """List the journal after an entry, oldest first."""
        async for page in self._journal(after_sequence):
            for entry in page:
                yield to_row(entry)

    async def journal_lines(self, *, after_sequence: int) -> AsyncIterator[list[bytes]]:
        """List the journal after an entry, oldest first, page by page: a line of JSON per entry.

        It is the contract's own JSON, which `journal_messages.entry_of` reads.
        """
        async for page in self._journal(after_sequence):
            yield [MessageToJson(entry, indent=None).encode() for entry in page]

    async def _journal(self, after_sequence: int) -> AsyncIterator[Sequence[contract.JournalEntry]]:
        while True:
            question = contract.ListJournalRequest(after_sequence=after_sequence, size=PAGE_ITEMS)
            answer = await call(self._stub.ListJournal, question)
            if not answer.entries:
                return
            yield answer.entries
            after_sequence = answer.entries[-1].sequence

    async def _pages(
        self,
        method: Method[QuestionT, AnswerT],
        question: type[QuestionT],
        items: Callable[[AnswerT], Iterable[Message]],
    ) -> AsyncIterator[Row]:
        token = ""
        while True:
            page = contract.PageRequest(size=PAGE_ITEMS, token=token)
            answer = await call(method, question(page=page))
            for item in items(answer):
                yield to_row(item)
            token = answer.next_page_token
            if not token:
                return
