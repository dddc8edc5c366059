"""What the cast's operator adds on the server: shops, tickets, points, and a wide policy.

Everything has a name of its own, so adding it again changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from tallymark.v1 import (
    merchant_pb2,
    money_pb2,
    operator_service_pb2,
    policy_pb2,
    registration_pb2,
)
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_load.cast.calls import patiently
from tallymark_load.cast.members import Cast, Customer, Merchant

__all__ = ["ENTRIES", "POINTS", "CannotFurnish", "Furnisher", "ticket_id", "widened"]

ENTRIES: Final = 1_000
"""Entries of a ticket, the most that the contract allows."""

POINTS: Final = 10_000_000
"""Points of each customer at the beginning."""

_EARN_POINTS_MAX: Final = 1_000_000
_ROWS_MAX: Final = 400
"""The most rows of one call that the contract allows."""

_MOST_MONEY: Final = 1_000_000_000_000
_MOST_CHARGES: Final = 10_000
_CURRENCY: Final = "EUR"

ItemT = TypeVar("ItemT")


class CannotFurnish(Exception):
    """The server refused a row. The message has its reason."""


def widened(policy: policy_pb2.Policy) -> policy_pb2.Policy:
    """Return a policy under which a day of load is not asked about for being too much.

    What is asked about for its amount still is, so confirmations are part of a load.
    """
    wide = policy_pb2.Policy()
    wide.CopyFrom(policy)
    wide.unconfirmed_count_max = _MOST_CHARGES
    wide.unconfirmed_sum_max = _MOST_MONEY
    wide.new_terminal_days = 0
    return wide


def ticket_id(customer: Customer, number: int) -> str:
    """Return the reference of a customer's ticket; each is good for ENTRIES, the first is 1."""
    return f"{customer.name}-{number}"


class Furnisher:
    """Adds things as an operator."""

    def __init__(self, stub: OperatorServiceStub, cast: Cast) -> None:
        """Take the operator's connection, and whom to furnish."""
        self._stub = stub
        self._cast = cast

    async def widen_policy(self) -> bool:
        """Set the policy that `widened` makes, and say whether that changed anything."""
        request = operator_service_pb2.GetPolicyRequest()
        policy = (await patiently(self._stub.GetPolicy, request)).policy
        wide = widened(policy)
        if wide == policy:
            return False
        await patiently(self._stub.SetPolicy, operator_service_pb2.SetPolicyRequest(policy=wide))
        return True

    async def set_code_life(self, seconds: int) -> None:
        """Set how long codes of every purpose live."""
        request = operator_service_pb2.GetPolicyRequest()
        policy = (await patiently(self._stub.GetPolicy, request)).policy
        policy.code_life_seconds = policy.points_code_life_seconds = seconds
        await patiently(self._stub.SetPolicy, operator_service_pb2.SetPolicyRequest(policy=policy))

    async def add_programme(self) -> None:
        """Create the points programme of the cast: one point is one cent."""
        programme = registration_pb2.PointsProgramme(
            programme_id=self._cast.programme_id,
            name=f"Points of {self._cast.label}",
            point_value=money_pb2.Money(currency_code=_CURRENCY, minor_units=1),
            earn_points_max=_EARN_POINTS_MAX,
        )
        request = operator_service_pb2.CreateProgrammeRequest(programme=programme)
        await patiently(self._stub.CreateProgramme, request)

    async def add_merchant(self, member: Merchant) -> None:
        """Create a merchant and its event."""
        merchant = merchant_pb2.Merchant(
            merchant_id=member.merchant_id,
            name=member.merchant_id,
            programme_id=self._cast.programme_id,
        )
        request = operator_service_pb2.CreateMerchantRequest(merchant=merchant)
        await patiently(self._stub.CreateMerchant, request)
        event = registration_pb2.Event(
            event_id=member.event_id,
            merchant_id=member.merchant_id,
            name=member.event_id,
            reentry_rule=registration_pb2.REENTRY_RULE_EACH_ENTRY_COUNTS,
        )
        await patiently(
            self._stub.CreateEvent, operator_service_pb2.CreateEventRequest(event=event)
        )

    async def add_tickets(self, customers: Iterable[Customer], number: int) -> None:
        """Give each customer the ticket of a number, with many entries."""
        tickets = [
            registration_pb2.Ticket(
                event_id=self._cast.merchants[customer.merchant].event_id,
                ticket_id=ticket_id(customer, number),
                login_name=customer.login_name,
                entries=ENTRIES,
            )
            for customer in customers
        ]
        for rows in _pages(tickets):
            request = operator_service_pb2.AddTicketsRequest(tickets=rows)
            _check((await patiently(self._stub.AddTickets, request)).outcomes)

    async def add_points(self, customers: Iterable[Customer]) -> None:
        """Give each customer points, once."""
        grants = [
            operator_service_pb2.PointsGrant(
                programme_id=self._cast.programme_id,
                login_name=customer.login_name,
                grant_reference="start",
                points=POINTS,
            )
            for customer in customers
        ]
        for rows in _pages(grants):
            request = operator_service_pb2.AddPointsRequest(grants=rows)
            _check((await patiently(self._stub.AddPoints, request)).outcomes)


def _pages(items: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    for first in range(0, len(items), _ROWS_MAX):
        yield items[first : first + _ROWS_MAX]


def _check(outcomes: Iterable[operator_service_pb2.RowOutcome]) -> None:
    for outcome in outcomes:
        if outcome.result == operator_service_pb2.ROW_RESULT_REFUSED:
            message = f"{outcome.reason}: {outcome.message}"
            raise CannotFurnish(message)
