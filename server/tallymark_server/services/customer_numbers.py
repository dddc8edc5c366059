"""The part of CustomerService that is about the customer's telephone number."""

import os
from typing import Any

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_server.domain import commands
from tallymark_server.domain.answers import NumberAnswer, NumberCodeAnswer
from tallymark_server.domain.model.numbers import TelephoneNumber
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, request_key
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.number_sender import NumberSender
from tallymark_server.services.values_out import time_message

__all__ = ["CODE_DIGITS", "CustomerNumbers"]

CODE_DIGITS = 6
"""Digits of a verification code."""

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerNumbers:
    """Proves that a telephone number is the customer's."""

    _lane: Lane
    _keyring: Keyring
    _number_sender: NumberSender

    async def SendNumberCode(
        self, request: contract.SendNumberCodeRequest, context: _Context
    ) -> contract.SendNumberCodeResponse:
        """Send a verification code, once for a request however often it comes."""
        caller = CALLER.get()
        names = ("SendNumberCode", caller.caller_id, request.request_id.lower())
        number_code = self._keyring.derive_digits(CODE_DIGITS, *names)
        fresh = os.urandom(8).hex()
        answer = await decided(
            self._lane,
            commands.SendNumberCode(
                caller=caller,
                partition=customer_partition(caller),
                request=request_key(self._keyring, "SendNumberCode", request, request.request_id),
                number=self._telephone_number(request.telephone_number),
                code_hash=self._keyring.number_code_hash(number_code),
                fresh=fresh,
            ),
            NumberCodeAnswer,
        )
        if answer.fresh == fresh:
            await self._number_sender.send(answer.telephone_number, number_code)
        return contract.SendNumberCodeResponse(expires_at=time_message(answer.expires_at))

    async def VerifyNumber(
        self, request: contract.VerifyNumberRequest, context: _Context
    ) -> contract.VerifyNumberResponse:
        """Verify the number that the code was sent to."""
        caller = CALLER.get()
        command = commands.VerifyNumber(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "VerifyNumber", request, request.request_id),
            code_hash=self._keyring.number_code_hash(request.number_code),
        )
        answer = await decided(self._lane, command, NumberAnswer)
        return contract.VerifyNumberResponse(telephone_number=answer.telephone_number)

    def _telephone_number(self, digits: str) -> TelephoneNumber | None:
        """Return the number with its keyed hash; None for no digits."""
        if not digits:
            return None
        return TelephoneNumber(digits=digits, number_hash=self._keyring.number_hash(digits))
