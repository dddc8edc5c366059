"""The part of OperatorService that adds what customers have, and what that belongs to."""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tallymark_server.domain import commands
from tallymark_server.domain.answers import Answer, RefusedAnswer, RowAnswer
from tallymark_server.domain.commands import Command
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.registrations import PointsGrant
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.services import messages_in
from tallymark_server.services.answering import decided
from tallymark_server.services.callers import CALLER

__all__ = ["OperatorRegistrations"]

_Context = grpc.aio.ServicerContext[Any, Any]


class OperatorRegistrations:
    """Creates events and programmes; adds bills, tickets and points, many in a call."""

    _lane: Lane
    _keyring: Keyring

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

    async def _add(self, rows: Iterable[Command]) -> list[contract.RowOutcome]:
        """Have every row decided by itself, in their order."""
        answers = await asyncio.gather(*(self._lane.submit(row) for row in rows))
        return [_row_outcome(answer) for answer in answers]


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
