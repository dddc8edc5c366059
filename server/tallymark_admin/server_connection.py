"""The connection to a server's OperatorService.

Messages of the contract stop here, in server_lists.py and in server_rows.py.
"""

from collections.abc import Mapping

import grpc.aio

from tallymark.v1 import merchant_pb2, money_pb2, policy_pb2, registration_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_admin.calls import Calls
from tallymark_admin.plain import Plain, Row, from_row, to_row
from tallymark_admin.server_lists import ServerLists
from tallymark_admin.server_rows import ServerRows

__all__ = ["OperatorConnection"]


class OperatorConnection:
    """What an operator can ask of a server, one method per thing, in plain values.

    Every method raises `Refused` when the server says no and `UnknownOutcome` when nobody can say.
    All of them may be repeated: what is there already stays as it is.
    """

    def __init__(self, channel: grpc.aio.Channel, *, operator_secret: str = "") -> None:
        """Take an open channel and the secret, which only `enrol` can do without."""
        self._stub = OperatorServiceStub(channel)
        self._calls = Calls(operator_secret=operator_secret)
        self.lists = ServerLists(self._stub, calls=self._calls)
        self.rows = ServerRows(self._stub, calls=self._calls)

    async def enrol(self, *, request_id: str, enrolment_code: str) -> tuple[str, str]:
        """Exchange a one-time code for the operator's id and secret."""
        request = contract.EnrollOperatorRequest(
            request_id=request_id, enrolment_code=enrolment_code
        )
        answer = await self._calls.call(self._stub.EnrollOperator, request)
        return answer.operator_id, answer.operator_secret

    async def create_operator(self, operator_id: str) -> str:
        """Create an operator and return the one-time enrolment code, empty once it was used."""
        request = contract.CreateOperatorRequest(operator_id=operator_id)
        return (await self._calls.call(self._stub.CreateOperator, request)).enrolment_code

    async def create_merchant(self, *, merchant_id: str, name: str, programme_id: str) -> Row:
        """Create a merchant; an empty programme_id means none."""
        merchant = merchant_pb2.Merchant(
            merchant_id=merchant_id, name=name, programme_id=programme_id
        )
        request = contract.CreateMerchantRequest(merchant=merchant)
        return to_row((await self._calls.call(self._stub.CreateMerchant, request)).merchant)

    async def create_terminal(self, *, terminal_id: str, merchant_id: str) -> str:
        """Create a terminal and return its one-time enrolment code, empty once it was used."""
        request = contract.CreateTerminalRequest(terminal_id=terminal_id, merchant_id=merchant_id)
        return (await self._calls.call(self._stub.CreateTerminal, request)).enrolment_code

    async def revoke_terminal(self, terminal_id: str) -> Row:
        """Revoke a terminal."""
        request = contract.RevokeTerminalRequest(terminal_id=terminal_id)
        return to_row((await self._calls.call(self._stub.RevokeTerminal, request)).terminal)

    async def create_event(
        self, *, event_id: str, merchant_id: str, name: str, reentry_rule: str
    ) -> Row:
        """Create an event."""
        row: Row = {
            "event_id": event_id,
            "merchant_id": merchant_id,
            "name": name,
            "reentry_rule": reentry_rule,
        }
        request = contract.CreateEventRequest(event=from_row(row, registration_pb2.Event()))
        return to_row((await self._calls.call(self._stub.CreateEvent, request)).event)

    async def create_programme(
        self,
        *,
        programme_id: str,
        name: str,
        currency_code: str,
        point_value_minor_units: int,
        earn_points_max: int,
    ) -> Row:
        """Create a points programme."""
        programme = registration_pb2.PointsProgramme(
            programme_id=programme_id,
            name=name,
            point_value=money_pb2.Money(
                currency_code=currency_code, minor_units=point_value_minor_units
            ),
            earn_points_max=earn_points_max,
        )
        request = contract.CreateProgrammeRequest(programme=programme)
        return to_row((await self._calls.call(self._stub.CreateProgramme, request)).programme)

    async def policy(self) -> Row:
        """Return the policy in force."""
        request = contract.GetPolicyRequest()
        return to_row((await self._calls.call(self._stub.GetPolicy, request)).policy)

    async def set_policy(self, policy: Mapping[str, Plain]) -> Row:
        """Set a whole policy, which carries the version it was read with; return the new one.

        Raises:
            UnknownName: a name that is none of an enum's values.

        """
        message = from_row(dict(policy), policy_pb2.Policy())
        request = contract.SetPolicyRequest(policy=message)
        return to_row((await self._calls.call(self._stub.SetPolicy, request)).policy)

    async def settle_process(self, process_id: str, *, settlement: str, note: str) -> Row:
        """Settle an overdue or contested process as EXECUTED or NOT_EXECUTED."""
        row: Row = {"process_id": process_id, "settlement": settlement, "note": note}
        request = from_row(row, contract.SettleProcessRequest())
        return to_row((await self._calls.call(self._stub.SettleProcess, request)).process)
