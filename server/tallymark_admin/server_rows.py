"""Adds rows of bills, tickets and points through the OperatorService, an outcome for each."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from tallymark.v1 import money_pb2, registration_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_admin.calls import BATCH_DEADLINE_SECONDS, call
from tallymark_admin.rows import BillRow, PointsGrantRow, RowOutcome, RowResult, TicketRow
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["ServerRows"]

MessageT = TypeVar("MessageT")

_RESULTS: Final = {
    contract.ROW_RESULT_ADDED: RowResult.ADDED,
    contract.ROW_RESULT_UNCHANGED: RowResult.UNCHANGED,
    contract.ROW_RESULT_REFUSED: RowResult.REFUSED,
}

# A violation names its row: bills[3].login_name.
_ROW_OF_VIOLATION: Final = re.compile(r"\w+\[(?P<place>[0-9]+)\](?:\.(?P<field>.+))?")


class ServerRows:
    """Each method adds up to 400 rows and returns their outcomes in the same order.

    The methods raise `Refused` and `UnknownOutcome` like those of the connection. After an unknown
    outcome the same rows may be added again: those that are there are UNCHANGED.
    """

    def __init__(self, stub: OperatorServiceStub) -> None:
        """Take the stub."""
        self._stub = stub

    async def add_bills(self, rows: Sequence[BillRow]) -> list[RowOutcome]:
        """Add bills."""

        async def add(bills: Sequence[registration_pb2.Bill]) -> Iterable[contract.RowOutcome]:
            request = contract.AddBillsRequest(bills=bills)
            answer = await call(
                self._stub.AddBills, request, deadline_seconds=BATCH_DEADLINE_SECONDS
            )
            return answer.outcomes

        return await _add(add, [_bill(row) for row in rows])

    async def add_tickets(self, rows: Sequence[TicketRow]) -> list[RowOutcome]:
        """Add tickets."""

        async def add(tickets: Sequence[registration_pb2.Ticket]) -> Iterable[contract.RowOutcome]:
            request = contract.AddTicketsRequest(tickets=tickets)
            answer = await call(
                self._stub.AddTickets, request, deadline_seconds=BATCH_DEADLINE_SECONDS
            )
            return answer.outcomes

        return await _add(add, [_ticket(row) for row in rows])

    async def add_points(self, rows: Sequence[PointsGrantRow]) -> list[RowOutcome]:
        """Add points."""

        async def add(grants: Sequence[contract.PointsGrant]) -> Iterable[contract.RowOutcome]:
            request = contract.AddPointsRequest(grants=grants)
            answer = await call(
                self._stub.AddPoints, request, deadline_seconds=BATCH_DEADLINE_SECONDS
            )
            return answer.outcomes

        return await _add(add, [_grant(row) for row in rows])


async def _add(
    add: Callable[[Sequence[MessageT]], Awaitable[Iterable[contract.RowOutcome]]],
    messages: Sequence[MessageT],
) -> list[RowOutcome]:
    """Add the messages; when some break the contract, take them out and add the others.

    The forms check what the contract asks for, so this happens with a stricter server only. It
    ends, because each round takes out at least one message.
    """
    outcomes: dict[int, RowOutcome] = {}
    while open_places := [place for place in range(len(messages)) if place not in outcomes]:
        try:
            answers = await add([messages[place] for place in open_places])
        except Refused as error:
            refused = _refused_rows(error)
            if not refused:
                raise
            outcomes |= {open_places[place]: outcome for place, outcome in refused.items()}
        else:
            outcomes |= {
                place: _outcome(answer) for place, answer in zip(open_places, answers, strict=True)
            }
    return [outcomes[place] for place in range(len(messages))]


def _refused_rows(error: Refused) -> dict[int, RowOutcome]:
    if error.reason is not Reason.REQUEST_INVALID:
        return {}
    refused: dict[int, RowOutcome] = {}
    for path, description in error.violations:
        if found := _ROW_OF_VIOLATION.fullmatch(path):
            message = f"{found['field']}: {description}" if found["field"] else description
            refused[int(found["place"])] = RowOutcome(
                result=RowResult.REFUSED, reason=Reason.REQUEST_INVALID, message=message
            )
    return refused


def _outcome(answer: contract.RowOutcome) -> RowOutcome:
    return RowOutcome(result=_RESULTS[answer.result], reason=answer.reason, message=answer.message)


def _bill(row: BillRow) -> registration_pb2.Bill:
    return registration_pb2.Bill(
        merchant_id=row.merchant_id,
        bill_reference=row.bill_reference,
        login_name=row.login_name,
        amount=money_pb2.Money(currency_code=row.currency_code, minor_units=row.minor_units),
        description=row.description,
        due_on=row.due_on,
    )


def _ticket(row: TicketRow) -> registration_pb2.Ticket:
    ticket = registration_pb2.Ticket(
        event_id=row.event_id,
        ticket_id=row.ticket_id,
        login_name=row.login_name,
        entries=row.entries,
        place=row.place,
    )
    if row.valid_from:
        ticket.valid_from.FromDatetime(row.valid_from)
    if row.valid_until:
        ticket.valid_until.FromDatetime(row.valid_until)
    return ticket


def _grant(row: PointsGrantRow) -> contract.PointsGrant:
    return contract.PointsGrant(
        programme_id=row.programme_id,
        login_name=row.login_name,
        grant_reference=row.grant_reference,
        points=row.points,
    )
