"""The customer's own affairs: registration and cards."""

from typing import Any, Final

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark_protocol.device_proof import ProofPurpose
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import CardAnswer, Done, SessionAnswer
from tallymark_server.domain.authorisation import CardRejected, InstitutionUnavailable
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.people import Card
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, is_repeated, request_key
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.customer_devices import CustomerDevices
from tallymark_server.services.customer_numbers import CODE_DIGITS, CustomerNumbers
from tallymark_server.services.device_proofs import DeviceProofs
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


class CustomerAccounts(CustomerDevices, CustomerNumbers):
    """Registers customers and cards, beside devices with their sessions, and numbers."""

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
        self._proofs = DeviceProofs()
        self._institution = institution
        self._number_sender = number_sender
        self._birth_partition = birth_partition

    async def RegisterCustomer(
        self, request: contract.RegisterCustomerRequest, context: _Context
    ) -> contract.RegisterCustomerResponse:
        """Register a customer with a first device."""
        device_key = self._proofs.check_new_key(ProofPurpose.REGISTER, request)
        names = ("RegisterCustomer", request.login_name, request.request_id.lower())
        token = self._keyring.derive_secret("tms", *names)
        number_code = self._keyring.derive_digits(CODE_DIGITS, *names)
        customer_id = self._new_id(self._birth_partition)
        login_hash = self._keyring.login_hash(request.login_name)
        caller = Caller(kind=CallerKind.ANYONE, caller_id=login_hash)
        partition = self._birth_partition
        key = request_key(self._keyring, "RegisterCustomer", request, request.request_id)
        answer = await decided(
            self._lane,
            commands.RegisterCustomer(
                caller=caller,
                partition=partition,
                request=key,
                customer_id=customer_id,
                login_name=request.login_name,
                login_hash=login_hash,
                password_hash=await self._hash_new(
                    request.password,
                    login_name=request.login_name,
                    caller=caller,
                    partition=partition,
                    request=key,
                ),
                number=self._telephone_number(request.telephone_number),
                code_hash=self._keyring.number_code_hash(number_code),
                device_id=self._new_id(partition),
                device_name=request.device_name,
                device_key=device_key,
                token_hash=secret_hash(token),
            ),
            SessionAnswer,
        )
        if answer.number_code_sent and answer.customer_id == customer_id:  # not a repetition
            await self._number_sender.send(request.telephone_number, number_code)
        return contract.RegisterCustomerResponse(
            customer_id=answer.customer_id,
            device_id=answer.device_id,
            session_token=token,
            session_expires_at=time_message(answer.session_expires_at),
            number_code_sent=answer.number_code_sent,
        )

    async def RegisterCard(
        self, request: contract.RegisterCardRequest, context: _Context
    ) -> contract.RegisterCardResponse:
        """Hand the number to the institution and keep its token."""
        caller = CALLER.get()
        partition = customer_partition(caller)
        key = request_key(self._keyring, "RegisterCard", request, request.request_id)
        seen = await is_repeated(self._store, caller=caller, partition=partition, request=key)
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
