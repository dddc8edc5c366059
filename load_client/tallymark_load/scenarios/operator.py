"""The operator in a load: bills come while people pay."""

from typing import Final

from tallymark.v1 import money_pb2, operator_service_pb2, registration_pb2
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_load.cast import MEMBER_KEY, Customer, Merchant
from tallymark_load.scenarios.chain import CallFailed, Chain

__all__ = ["Operator"]

_ADD_BILLS: Final = "/tallymark.v1.OperatorService/AddBills"
_METADATA: Final = ((MEMBER_KEY, "operator"),)


class Operator:
    """Calls as the operator of the cast."""

    def __init__(self, stub: OperatorServiceStub) -> None:
        """Take the connection."""
        self._stub = stub

    async def bill(
        self,
        chain: Chain,
        customer: Customer,
        merchant: Merchant,
        reference: str,
        amount: money_pb2.Money,
    ) -> None:
        """Send a customer a bill.

        Raises:
            CallFailed: the call failed, or its one row was refused.

        """
        bill = registration_pb2.Bill(
            merchant_id=merchant.merchant_id,
            bill_reference=reference,
            login_name=customer.login_name,
            amount=amount,
            description="Load",
        )
        request = operator_service_pb2.AddBillsRequest(bills=[bill])
        answer = await chain.call(_ADD_BILLS, self._stub.AddBills, request, _METADATA)
        outcome = answer.outcomes[0]
        if outcome.result == operator_service_pb2.ROW_RESULT_REFUSED:
            raise CallFailed(_ADD_BILLS, outcome.reason)
