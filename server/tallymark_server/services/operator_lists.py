"""The lists that an operator looks at, a page at a time."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import process_pb2
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    Operator,
    PointsProgramme,
    Policy,
    Terminal,
)
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Process, Unresolved
from tallymark_server.domain.model.registrations import (
    ISSUER,
    Bill,
    PointsAccount,
    Ticket,
)
from tallymark_server.domain.state import Row
from tallymark_server.services.answering import first_of_page, load_one, page
from tallymark_server.services.open_questions import open_questions
from tallymark_server.services.processes_out import process_message
from tallymark_server.services.registrations_out import (
    bill_message,
    event_message,
    merchant_message,
    operator_message,
    points_account_message,
    policy_message,
    programme_message,
    terminal_message,
    ticket_message,
)
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store

__all__ = ["OperatorLists"]

PAGE_SIZE: Final = 200

R = TypeVar("R", bound=Row)

_Context = grpc.aio.ServicerContext[Any, Any]


class OperatorLists:
    """The part of OperatorService that only reads."""

    def __init__(self, *, store: Store) -> None:
        """Take the store."""
        self._store = store

    async def ListMerchants(
        self, request: contract.ListMerchantsRequest, context: _Context
    ) -> contract.ListMerchantsResponse:
        """List merchants by id."""
        rows, token = await self._page(Merchant, request.page)
        merchants = [merchant_message(row) for row in rows]
        return contract.ListMerchantsResponse(merchants=merchants, next_page_token=token)

    async def ListOperators(
        self, request: contract.ListOperatorsRequest, context: _Context
    ) -> contract.ListOperatorsResponse:
        """List operators by id."""
        rows, token = await self._page(Operator, request.page)
        return contract.ListOperatorsResponse(
            operators=[operator_message(row) for row in rows], next_page_token=token
        )

    async def ListTerminals(
        self, request: contract.ListTerminalsRequest, context: _Context
    ) -> contract.ListTerminalsResponse:
        """List terminals by id."""
        rows, token = await self._page(Terminal, request.page)
        terminals = [terminal_message(row) for row in rows]
        return contract.ListTerminalsResponse(terminals=terminals, next_page_token=token)

    async def ListEvents(
        self, request: contract.ListEventsRequest, context: _Context
    ) -> contract.ListEventsResponse:
        """List events by id."""
        rows, token = await self._page(Event, request.page)
        events = [event_message(row) for row in rows]
        return contract.ListEventsResponse(events=events, next_page_token=token)

    async def ListProgrammes(
        self, request: contract.ListProgrammesRequest, context: _Context
    ) -> contract.ListProgrammesResponse:
        """List points programmes by id."""
        rows, token = await self._page(PointsProgramme, request.page)
        programmes = [programme_message(row) for row in rows]
        return contract.ListProgrammesResponse(programmes=programmes, next_page_token=token)

    async def ListBills(
        self, request: contract.ListBillsRequest, context: _Context
    ) -> contract.ListBillsResponse:
        """List bills by merchant and reference."""
        rows, token = await self._page(Bill, request.page)
        bills = [bill_message(row) for row in rows]
        return contract.ListBillsResponse(bills=bills, next_page_token=token)

    async def ListTickets(
        self, request: contract.ListTicketsRequest, context: _Context
    ) -> contract.ListTicketsResponse:
        """List tickets by event and reference."""
        rows, token = await self._page(Ticket, request.page)
        events = await self._store.load({Event.key_of(row.event_id) for row in rows})
        names = {key.text: row.name for key, row in events.items() if isinstance(row, Event)}
        tickets = [ticket_message(row, names.get(row.event_id, "")) for row in rows]
        return contract.ListTicketsResponse(tickets=tickets, next_page_token=token)

    async def ListPointsAccounts(
        self, request: contract.ListPointsAccountsRequest, context: _Context
    ) -> contract.ListPointsAccountsResponse:
        """List points accounts by customer and programme; the issuer's own is not shown."""
        rows, token = await self._page(PointsAccount, request.page)
        keys = {PointsProgramme.key_of(row.programme_id) for row in rows}
        programmes = await self._store.load(keys)
        names = {
            key.text: row.name
            for key, row in programmes.items()
            if isinstance(row, PointsProgramme)
        }
        accounts = [
            points_account_message(row, names.get(row.programme_id, ""), for_operator=True)
            for row in rows
            if row.holder_id != ISSUER
        ]
        return contract.ListPointsAccountsResponse(points_accounts=accounts, next_page_token=token)

    async def ListCustomers(
        self, request: contract.ListCustomersRequest, context: _Context
    ) -> contract.ListCustomersResponse:
        """List customers by id."""
        rows, token = await self._page(Customer, request.page)
        customers = [
            contract.CustomerSummary(
                customer_id=row.customer_id,
                login_name=row.login_name,
                registered_at=time_message(row.registered_at),
                devices=len(row.device_ids),
                cards=len(row.cards),
                number_verified=row.number_verified,
            )
            for row in rows
        ]
        return contract.ListCustomersResponse(customers=customers, next_page_token=token)

    async def ListProcesses(
        self, request: contract.OperatorServiceListProcessesRequest, context: _Context
    ) -> contract.OperatorServiceListProcessesResponse:
        """List processes, newest first."""
        rows, token = await self._page(Process, request.page, newest_first=True)
        processes = [_operator_view(row) for row in rows]
        return contract.OperatorServiceListProcessesResponse(
            processes=processes, next_page_token=token
        )

    async def ListUnresolvedProcesses(
        self, request: contract.ListUnresolvedProcessesRequest, context: _Context
    ) -> contract.ListUnresolvedProcessesResponse:
        """List processes that wait for a person."""
        entries, token = await self._page(Unresolved, request.page)
        keys = [Process.key_of(entry.process_id) for entry in entries]
        rows = await self._store.load(keys)
        waiting = [row for key in keys if isinstance(row := rows[key], Process)]
        return contract.ListUnresolvedProcessesResponse(
            processes=map(_operator_view, waiting),
            next_page_token=token,
            questions=[question for row in waiting for question in open_questions(row)],
        )

    async def GetPolicy(
        self, request: contract.GetPolicyRequest, context: _Context
    ) -> contract.GetPolicyResponse:
        """Return the policy in force."""
        policy = await load_one(self._store, Policy.key_of_current()) or Policy()
        return contract.GetPolicyResponse(policy=policy_message(policy))

    async def ListJournal(
        self, request: contract.ListJournalRequest, context: _Context
    ) -> contract.ListJournalResponse:
        """List the journal, oldest first."""
        entries = await self._store.journal(
            DIRECTORY,
            after_sequence=request.after_sequence,
            limit=request.size or PAGE_SIZE,
        )
        return contract.ListJournalResponse(
            entries=[
                contract.JournalEntry(
                    sequence=entry.sequence,
                    decided_at=time_message(entry.record.decided_at),
                    command=entry.record.command,
                    caller=entry.record.caller,
                    process_id=entry.record.process_id,
                    state=entry.record.state,  # type: ignore[arg-type]  # the same numbers
                    payload=entry.record.payload,
                    chain_hash=entry.chain_hash,
                    payload_sha256=entry.record.payload_hash,
                )
                for entry in entries
            ]
        )

    async def _page(
        self, table: type[R], wanted: contract.PageRequest, *, newest_first: bool = False
    ) -> tuple[Sequence[R], str]:
        """Return a page of a table and the token of the next one."""
        start = first_of_page(wanted.token, table)
        size = wanted.size or PAGE_SIZE
        bounds = {"last": f"{start}\0"} if newest_first and start else {"first": start}
        rows = await self._store.scan(
            table, DIRECTORY, limit=size + 1, newest_first=newest_first, **bounds
        )
        return page(rows, size)


def _operator_view(process: Process) -> process_pb2.Process:
    return process_message(process, customer_reference=process.customer_id)
