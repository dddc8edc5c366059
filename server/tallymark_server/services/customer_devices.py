"""The part of CustomerService that is about devices, their sessions, and the password."""

import os
from typing import Any

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_protocol.device_proof import ProofPurpose
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import Done, InvitationAnswer, SessionAnswer
from tallymark_server.domain.commands import Caller, RequestKey
from tallymark_server.domain.devices import is_invited
from tallymark_server.domain.identifiers import DIRECTORY, make_id
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Customer, Device, Login
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.passwords import check_new
from tallymark_server.services.answering import decided, load_one, request_key
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.device_proofs import DeviceProofs
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.steady_refusal import steady_refusal
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store

__all__ = ["CustomerDevices"]

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerDevices:
    """Signs devices in, invites, adds and removes them, and changes the password.

    What a stranger is refused for is checked in the order of its cost, and says nothing about who
    is registered: first a signature, then an invitation, last a password.
    """

    _lane: Lane
    _store: Store
    _clock: Clock
    _keyring: Keyring
    _passwords: PasswordGuard
    _proofs: DeviceProofs

    async def SignIn(
        self, request: contract.SignInRequest, context: _Context
    ) -> contract.SignInResponse:
        """Open a session for a known device."""
        self._passwords.demand_room()
        async with steady_refusal():
            customer = await self._proven_customer(request)
        key = request_key(self._keyring, "SignIn", request, request.request_id)
        token = self._token(customer, key)
        answer = await decided(
            self._lane,
            commands.OpenSession(
                caller=Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id),
                partition=customer.partition,
                request=key,
                password=await self._passwords.check(customer, request.password, request=key),
                customer_id=customer.customer_id,
                device_id=request.device_id,
                token_hash=secret_hash(token),
            ),
            SessionAnswer,
        )
        return contract.SignInResponse(
            session_token=token, session_expires_at=time_message(answer.session_expires_at)
        )

    async def InviteDevice(
        self, request: contract.InviteDeviceRequest, context: _Context
    ) -> contract.InviteDeviceResponse:
        """Make an invitation."""
        caller = CALLER.get()
        key = request_key(self._keyring, "InviteDevice", request, request.request_id)
        code = self._keyring.derive_secret("tmi", key.rpc, caller.caller_id, key.request_id)
        command = commands.InviteDevice(
            caller=caller,
            partition=customer_partition(caller),
            request=key,
            customer_id=caller.caller_id,
            code_hash=secret_hash(code),
        )
        answer = await decided(self._lane, command, InvitationAnswer)
        return contract.InviteDeviceResponse(
            invitation=code, expires_at=time_message(answer.expires_at)
        )

    async def AddDevice(
        self, request: contract.AddDeviceRequest, context: _Context
    ) -> contract.AddDeviceResponse:
        """Add a device by an invitation and the password, and sign it in."""
        device_key = self._proofs.check_new_key(ProofPurpose.ADD, request)
        key = request_key(self._keyring, "AddDevice", request, request.request_id)
        async with steady_refusal():
            customer = await self._invited_customer(request, key)
        token = self._token(customer, key)
        answer = await decided(
            self._lane,
            commands.AddDevice(
                caller=Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id),
                partition=customer.partition,
                request=key,
                password=await self._passwords.check(customer, request.password, request=key),
                customer_id=customer.customer_id,
                invitation_hash=secret_hash(request.invitation),
                device_id=self._new_id(customer.partition),
                device_name=request.device_name,
                device_key=device_key,
                token_hash=secret_hash(token),
            ),
            SessionAnswer,
        )
        return contract.AddDeviceResponse(
            device_id=answer.device_id,
            session_token=token,
            session_expires_at=time_message(answer.session_expires_at),
        )

    async def RemoveDevice(
        self, request: contract.RemoveDeviceRequest, context: _Context
    ) -> contract.RemoveDeviceResponse:
        """Remove a device."""
        caller = CALLER.get()
        command = commands.RemoveDevice(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "RemoveDevice", request, request.request_id),
            device_id=request.device_id,
        )
        await decided(self._lane, command, Done)
        return contract.RemoveDeviceResponse()

    async def ChangePassword(
        self, request: contract.ChangePasswordRequest, context: _Context
    ) -> contract.ChangePasswordResponse:
        """Set another password."""
        caller = CALLER.get()
        customer = await self._customer(caller)
        name = customer.login_name
        key = request_key(self._keyring, "ChangePassword", request, request.request_id)
        check_new(request.new_password, login_name=name)  # before the try of the old one counts
        command = commands.ChangePassword(
            caller=caller,
            partition=customer.partition,
            request=key,
            password=await self._passwords.check(customer, request.password, request=key),
            password_hash=await self._hash_new(
                request.new_password,
                login_name=name,
                caller=caller,
                partition=customer.partition,
                request=key,
            ),
        )
        answer = await decided(self._lane, command, Done)
        return contract.ChangePasswordResponse(sessions_ended=answer.count)

    async def _proven_customer(self, request: contract.SignInRequest) -> Customer:
        """Return the customer whose device has signed the request."""
        customer = await self._find_customer(request.login_name)
        device = await self._find_device(customer, request.device_id)
        if not self._proofs.is_signed_by(device, request) or customer is None:
            raise Refused(Reason.PASSWORD_WRONG)
        return customer

    async def _invited_customer(
        self, request: contract.AddDeviceRequest, key: RequestKey
    ) -> Customer:
        """Return the customer whom the login name and the invitation mean.

        A repeated request has used its invitation up.
        """
        customer = await self._find_customer(request.login_name)
        place = (customer.partition, customer.customer_id) if customer else (DIRECTORY, "nobody")
        caller = Caller(kind=CallerKind.CUSTOMER, caller_id=place[1])
        # Looked for first and for nobody, too, so that every refusal takes the same steps.
        repeated = await self._passwords.is_repeated(caller, place[0], key)
        code_hash = secret_hash(request.invitation)
        if customer is None or not (repeated or is_invited(customer, code_hash, self._clock.now())):
            raise Refused(Reason.INVITATION_INVALID)
        return customer

    async def _hash_new(
        self, password: str, *, login_name: str, caller: Caller, partition: int, request: RequestKey
    ) -> str:
        """Return the hash of a new password; a repeated request needs none."""
        if await self._passwords.is_repeated(caller, partition, request):
            return ""
        return await self._passwords.hash_new(password, login_name=login_name)

    async def _find_customer(self, login_name: str) -> Customer | None:
        """Return who has this name; for nobody's the same rows are looked for."""
        login = await load_one(self._store, Login.key_of(self._keyring.login_hash(login_name)))
        place = (login.customer_partition, login.customer_id) if login else (DIRECTORY, "nobody")
        return await load_one(self._store, Customer.key_of(*place))

    async def _find_device(self, customer: Customer | None, device_id: str) -> Device | None:
        """Return the customer's device; for nobody's the same rows are looked for."""
        partition = customer.partition if customer else DIRECTORY
        device = await load_one(self._store, Device.key_of(partition, device_id))
        is_known = customer is not None and device_id in customer.device_ids
        return device if is_known else None

    async def _customer(self, caller: Caller) -> Customer:
        key = Customer.key_of(customer_partition(caller), caller.caller_id)
        customer = await load_one(self._store, key)
        assert customer is not None, "a signed-in customer exists"
        return customer

    def _token(self, customer: Customer, key: RequestKey) -> str:
        """Return the token that belongs to a request of this customer, always the same."""
        return self._keyring.derive_secret("tms", key.rpc, customer.customer_id, key.request_id)

    def _new_id(self, partition: int) -> str:
        return make_id(partition, self._clock.now(), os.urandom(10))
