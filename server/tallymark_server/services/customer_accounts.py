"""The customer's own affairs: registration, number, devices and sessions, cards, wallet."""

import os
from typing import Any, Final

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import CardAnswer, Done, SessionAnswer
from tallymark_server.domain.authorisation import CardRejected, InstitutionUnavailable
from tallymark_server.domain.commands import Caller, RequestKey, RightPassword
from tallymark_server.domain.identifiers import DIRECTORY, make_id
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Card, Customer, Login
from tallymark_server.domain.model.processes import Request
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one, request_key
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.number_sender import NumberSender
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.registrations_out import card_message
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store

__all__ = ["CustomerAccounts"]

INSTITUTION_SECONDS: Final = 10.0
"""How long a customer waits for a card to be registered."""

_NO_CARD: Final = Card(card_id="", card_token="", brand="", last_four="", expires_on="")

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerAccounts:
    """The part of CustomerService that is about the customer, not about codes and processes."""

    def __init__(  # noqa: PLR0913 -- a service takes what it needs
        self,
        *,
        lane: Lane,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        passwords: PasswordGuard,
        institution: CreditInstitution,
        number_sender: NumberSender,
        birth_partition: int,
    ) -> None:
        """Take the parts it works with, and the partition in which customers are born."""
        self._lane = lane
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._passwords = passwords
        self._institution = institution
        self._number_sender = number_sender
        self._birth_partition = birth_partition

    async def RegisterCustomer(
        self, request: contract.RegisterCustomerRequest, context: _Context
    ) -> contract.RegisterCustomerResponse:
        """Register a customer with a first device."""
        names = ("RegisterCustomer", request.login_name, request.request_id.lower())
        token = self._keyring.derive_secret("tms", *names)
        number_code = ""
        if request.telephone_number:
            number_code = self._keyring.derive_digits(6, *names)
        login_hash = self._keyring.login_hash(request.login_name)
        answer = await decided(
            self._lane,
            commands.RegisterCustomer(
                caller=Caller(kind=CallerKind.ANYONE, caller_id=login_hash),
                partition=self._birth_partition,
                request=request_key(self._keyring, "RegisterCustomer", request, request.request_id),
                customer_id=self._new_id(self._birth_partition),
                login_name=request.login_name,
                login_hash=login_hash,
                password_hash=await self._passwords.hash_new(
                    request.password, login_name=request.login_name
                ),
                telephone_number=request.telephone_number,
                number_code=self._keyring.number_code_hash(number_code),
                device_id=self._new_id(self._birth_partition),
                device_name=request.device_name,
                token_hash=secret_hash(token),
            ),
            SessionAnswer,
        )
        if answer.number_code_sent:
            await self._number_sender.send(request.telephone_number, number_code)
        return contract.RegisterCustomerResponse(
            customer_id=answer.customer_id,
            device_id=answer.device_id,
            session_token=token,
            session_expires_at=time_message(answer.session_expires_at),
            number_code_sent=answer.number_code_sent,
        )

    async def SignIn(
        self, request: contract.SignInRequest, context: _Context
    ) -> contract.SignInResponse:
        """Open a session for a known device."""
        key = request_key(self._keyring, "SignIn", request, request.request_id)
        customer, password = await self._customer_by_password(request, key)
        token = self._keyring.derive_secret(
            "tms", "SignIn", customer.customer_id, request.request_id.lower()
        )
        answer = await decided(
            self._lane,
            commands.OpenSession(
                caller=Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id),
                partition=customer.partition,
                request=key,
                password=password,
                customer_id=customer.customer_id,
                device_id=request.device_id,
                token_hash=secret_hash(token),
            ),
            SessionAnswer,
        )
        return contract.SignInResponse(
            session_token=token, session_expires_at=time_message(answer.session_expires_at)
        )

    async def AddDevice(
        self, request: contract.AddDeviceRequest, context: _Context
    ) -> contract.AddDeviceResponse:
        """Add a device and sign it in."""
        key = request_key(self._keyring, "AddDevice", request, request.request_id)
        customer, password = await self._customer_by_password(request, key)
        token = self._keyring.derive_secret(
            "tms", "AddDevice", customer.customer_id, request.request_id.lower()
        )
        answer = await decided(
            self._lane,
            commands.AddDevice(
                caller=Caller(kind=CallerKind.CUSTOMER, caller_id=customer.customer_id),
                partition=customer.partition,
                request=key,
                password=password,
                customer_id=customer.customer_id,
                device_id=self._new_id(customer.partition),
                device_name=request.device_name,
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

    async def RegisterCard(
        self, request: contract.RegisterCardRequest, context: _Context
    ) -> contract.RegisterCardResponse:
        """Hand the number to the institution and keep its token."""
        caller = CALLER.get()
        partition = customer_partition(caller)
        key = request_key(self._keyring, "RegisterCard", request, request.request_id)
        seen = await load_one(
            self._store, Request.key_of(partition, key.request_id, key.rpc, caller.name)
        )
        answer = await decided(
            self._lane,
            commands.RegisterCard(
                caller=caller,
                partition=partition,
                request=key,
                # A repetition has its answer, and must not need the institution to get it.
                card=_NO_CARD if seen else await self._institution_card(caller, request),
                make_default=request.make_default,
            ),
            CardAnswer,
        )
        return contract.RegisterCardResponse(
            card=card_message(answer.card, is_default=answer.is_default)
        )

    async def RemoveCard(
        self, request: contract.RemoveCardRequest, context: _Context
    ) -> contract.RemoveCardResponse:
        """Forget a card."""
        caller = CALLER.get()
        command = commands.RemoveCard(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "RemoveCard", request, request.request_id),
            card_id=request.card_id,
        )
        await decided(self._lane, command, Done)
        return contract.RemoveCardResponse()

    async def _institution_card(
        self, caller: Caller, request: contract.RegisterCardRequest
    ) -> Card:
        """Register the number at the institution; the same request gets the same token there."""
        names = ("RegisterCard", caller.caller_id, request.request_id.lower())
        try:
            registered = await self._institution.register_card(
                self._keyring.derive_bytes(16, *names).hex(),
                request.card_number,
                request.expires_on,
                deadline_seconds=INSTITUTION_SECONDS,
            )
        except CardRejected:
            raise Refused(Reason.CARD_REJECTED) from None
        except InstitutionUnavailable:
            reason = Reason.INSTITUTION_UNAVAILABLE
            raise UnknownOutcome(reason, retry_after_seconds=1.0) from None
        return Card(
            card_id=self._new_id(customer_partition(caller)),
            card_token=registered.token,
            brand=registered.brand,
            last_four=registered.last_four,
            expires_on=request.expires_on,
        )

    async def _customer_by_password(
        self, request: contract.SignInRequest | contract.AddDeviceRequest, key: RequestKey
    ) -> tuple[Customer, RightPassword]:
        """Return the customer; an unknown name takes the steps of a wrong password."""
        login_hash = self._keyring.login_hash(request.login_name)
        login = await load_one(self._store, Login.key_of(login_hash))
        place = (login.customer_partition, login.customer_id) if login else (DIRECTORY, "nobody")
        customer = await load_one(self._store, Customer.key_of(*place))
        right = await self._passwords.check(
            customer, request.password, login_name=request.login_name, request=key
        )
        assert customer is not None, "the password of nobody is always wrong"
        return customer, right

    async def _customer(self, caller: Caller) -> Customer:
        key = Customer.key_of(customer_partition(caller), caller.caller_id)
        customer = await load_one(self._store, key)
        assert customer is not None, "a signed-in customer exists"
        return customer

    def _new_id(self, partition: int) -> str:
        return make_id(partition, self._clock.now(), os.urandom(10))
