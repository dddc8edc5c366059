"""What an operator does for a customer who lost a phone, or whose password was guessed at."""

import os
from typing import Any, Final

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import Done, InvitationAnswer
from tallymark_server.domain.model.people import Customer, Device, Login, Session
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one
from tallymark_server.services.callers import CALLER
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store

__all__ = ["OperatorDevices"]

FRESH_BYTES: Final = 32
"""What makes an invitation another one than any before."""

_Context = grpc.aio.ServicerContext[Any, Any]


class OperatorDevices:
    """The part of OperatorService that is about customers' devices and passwords."""

    _lane: Lane
    _store: Store
    _clock: Clock
    _keyring: Keyring

    async def ListDevices(
        self, request: contract.ListDevicesRequest, context: _Context
    ) -> contract.ListDevicesResponse:
        """List the devices of a customer."""
        customer = await self._customer_named(request.login_name)
        keys = [Device.key_of(customer.partition, one) for one in customer.device_ids]
        rows = await self._store.load(keys)
        devices = [row for key in keys if isinstance(row := rows[key], Device)]
        texts = [text for device in devices for text in device.session_texts]
        sessions = await self._store.load([Session.key_of(text) for text in texts])
        now = self._clock.now()
        open_texts = {
            key.text
            for key, row in sessions.items()
            if isinstance(row, Session) and now < row.expires_at
        }
        return contract.ListDevicesResponse(
            devices=[
                contract.CustomerDevice(
                    device_id=device.device_id,
                    name=device.name,
                    added_at=time_message(device.added_at),
                    sessions=len(open_texts.intersection(device.session_texts)),
                )
                for device in devices
            ]
        )

    async def RevokeDevice(
        self, request: contract.RevokeDeviceRequest, context: _Context
    ) -> contract.RevokeDeviceResponse:
        """Cut a customer's device off."""
        customer = await self._customer_named(request.login_name)
        command = commands.RevokeDevice(
            caller=CALLER.get(),
            partition=customer.partition,
            customer_id=customer.customer_id,
            device_id=request.device_id,
        )
        answer = await decided(self._lane, command, Done)
        return contract.RevokeDeviceResponse(codes_revoked=answer.count)

    async def InviteCustomerDevice(
        self, request: contract.InviteCustomerDeviceRequest, context: _Context
    ) -> contract.InviteCustomerDeviceResponse:
        """Make an invitation, another one on each call."""
        customer = await self._customer_named(request.login_name)
        code = self._keyring.derive_secret(
            "tmi", "InviteCustomerDevice", customer.customer_id, os.urandom(FRESH_BYTES).hex()
        )
        command = commands.InviteDevice(
            caller=CALLER.get(),
            partition=customer.partition,
            customer_id=customer.customer_id,
            code_hash=secret_hash(code),
        )
        answer = await decided(self._lane, command, InvitationAnswer)
        return contract.InviteCustomerDeviceResponse(
            invitation=code, expires_at=time_message(answer.expires_at)
        )

    async def UnlockPassword(
        self, request: contract.UnlockPasswordRequest, context: _Context
    ) -> contract.UnlockPasswordResponse:
        """Forget a customer's wrong passwords."""
        customer = await self._customer_named(request.login_name)
        command = commands.UnlockPassword(
            caller=CALLER.get(),
            partition=customer.partition,
            customer_id=customer.customer_id,
        )
        answer = await decided(self._lane, command, Done)
        return contract.UnlockPasswordResponse(failures=answer.count)

    async def _customer_named(self, login_name: str) -> Customer:
        login = await load_one(self._store, Login.key_of(self._keyring.login_hash(login_name)))
        if login is None:
            raise Refused(Reason.CUSTOMER_NOT_FOUND)
        key = Customer.key_of(login.customer_partition, login.customer_id)
        customer = await load_one(self._store, key)
        assert customer is not None, "a login name's customer exists"
        return customer
