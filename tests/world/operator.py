"""The person who runs the server: the policy, and what customers are given."""

from typing import Any

from tallymark.v1 import operator_service_pb2, policy_pb2, registration_pb2
from tests.world.actor import Actor
from tests.world.messages import euro
from tests.world.phone import Phone

__all__ = ["Operator"]


class Operator(Actor):
    """The person who runs the server."""

    async def set_policy(self, **changes: Any) -> policy_pb2.Policy:
        policy = (await self.call("GetPolicy", operator_service_pb2.GetPolicyRequest())).policy
        for name, value in changes.items():
            setattr(policy, name, value)
        request = operator_service_pb2.SetPolicyRequest(policy=policy)
        answer: operator_service_pb2.SetPolicyResponse = await self.call("SetPolicy", request)
        return answer.policy

    async def add_bill(
        self, phone: Phone, reference: str, minor_units: int, merchant_id: str = "cafe"
    ) -> operator_service_pb2.RowOutcome:
        bill = registration_pb2.Bill(
            merchant_id=merchant_id,
            bill_reference=reference,
            login_name=phone.login_name,
            amount=euro(minor_units),
            description="water",
        )
        request = operator_service_pb2.AddBillsRequest(bills=[bill])
        answer: operator_service_pb2.AddBillsResponse = await self.call("AddBills", request)
        return answer.outcomes[0]

    async def add_ticket(
        self, phone: Phone, ticket_id: str, **more: Any
    ) -> operator_service_pb2.RowOutcome:
        more = {"event_id": "jazz", "entries": 1, **more}
        ticket = registration_pb2.Ticket(ticket_id=ticket_id, login_name=phone.login_name, **more)
        request = operator_service_pb2.AddTicketsRequest(tickets=[ticket])
        answer: operator_service_pb2.AddTicketsResponse = await self.call("AddTickets", request)
        return answer.outcomes[0]

    async def add_points(
        self, phone: Phone, points: int, reference: str = "welcome"
    ) -> operator_service_pb2.RowOutcome:
        grant = operator_service_pb2.PointsGrant(
            programme_id="beans",
            login_name=phone.login_name,
            grant_reference=reference,
            points=points,
        )
        request = operator_service_pb2.AddPointsRequest(grants=[grant])
        answer: operator_service_pb2.AddPointsResponse = await self.call("AddPoints", request)
        return answer.outcomes[0]
