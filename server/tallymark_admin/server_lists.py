"""The lists of the OperatorService, page by page, as plain rows."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_admin.calls import Calls, Method
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

    def __init__(self, stub: OperatorServiceStub, *, calls: Calls) -> None:
        """Take the stub and the way to call it."""
        self._stub = stub
        self._calls = calls

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

    def processes(self) -> AsyncIterator[Row]:
        """List processes, newest first."""
        method, question = self._stub.ListProcesses, contract.OperatorServiceListProcessesRequest
        return self._pages(method, question, lambda answer: answer.processes)

    def unresolved_processes(self) -> AsyncIterator[Row]:
        """List processes that wait for a person."""
        method = self._stub.ListUnresolvedProcesses
        question = contract.ListUnresolvedProcessesRequest
        return self._pages(method, question, lambda answer: answer.processes)

    async def keys(self) -> AsyncIterator[Row]:
        """List the keys that verify codes, each with the epoch that is signed with them."""
        answer = await self._calls.call(self._stub.ListKeys, contract.ListKeysRequest())
        for key in answer.keys:
            yield {**to_row(key), "epoch": answer.epoch}

    async def journal(self, *, after_sequence: int) -> AsyncIterator[Row]:
        """List the journal after an entry, oldest first."""
        while True:
            question = contract.ListJournalRequest(after_sequence=after_sequence, size=PAGE_ITEMS)
            answer = await self._calls.call(self._stub.ListJournal, question)
            for entry in answer.entries:
                yield to_row(entry)
                after_sequence = entry.sequence
            if not answer.entries:
                return

    async def _pages(
        self,
        method: Method[QuestionT, AnswerT],
        question: type[QuestionT],
        items: Callable[[AnswerT], Iterable[Message]],
    ) -> AsyncIterator[Row]:
        token = ""
        while True:
            page = contract.PageRequest(size=PAGE_ITEMS, token=token)
            answer = await self._calls.call(method, question(page=page))
            for item in items(answer):
                yield to_row(item)
            token = answer.next_page_token
            if not token:
                return
