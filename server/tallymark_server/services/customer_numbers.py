"""The part of CustomerService that is about the customer's telephone number."""

from typing import Any

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_server.domain import commands
from tallymark_server.domain.answers import NumberAnswer
from tallymark_server.domain.model.people import Customer
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one, request_key
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.storage.store import Store

__all__ = ["CustomerNumbers"]

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerNumbers:
    """Proves that a telephone number is the customer's."""

    _lane: Lane
    _store: Store
    _keyring: Keyring

    async def VerifyNumber(
        self, request: contract.VerifyNumberRequest, context: _Context
    ) -> contract.VerifyNumberResponse:
        """Verify the telephone number given at registration."""
        caller = CALLER.get()
        partition = customer_partition(caller)
        customer = await load_one(self._store, Customer.key_of(partition, caller.caller_id))
        assert customer is not None, "a signed-in customer exists"
        answer = await decided(
            self._lane,
            commands.VerifyNumber(
                caller=caller,
                partition=partition,
                request=request_key(self._keyring, "VerifyNumber", request, request.request_id),
                number_code=self._keyring.number_code_hash(request.number_code),
                number_hash=self._keyring.number_hash(customer.telephone_number),
            ),
            NumberAnswer,
        )
        return contract.VerifyNumberResponse(telephone_number=answer.telephone_number)
