"""The part of CustomerService that is about codes."""

from typing import Any

import grpc

from tallymark.v1 import customer_service_pb2 as contract
from tallymark.v1 import identification_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import CodeAnswer, Done
from tallymark_server.domain.commands import Caller, RequestKey, RightPassword
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.people import BillReference, Customer, TicketReference
from tallymark_server.domain.model.processes import CodePurpose
from tallymark_server.domain.policy import code_life_seconds
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one, request_key
from tallymark_server.services.callers import CALLER, customer_partition
from tallymark_server.services.code_maker import CodeMaker, MadeCode
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.tag_maker import TagMaker
from tallymark_server.services.values_out import time_message
from tallymark_server.storage.store import Store

__all__ = ["CustomerCodes"]

_Context = grpc.aio.ServicerContext[Any, Any]


class CustomerCodes:
    """Issues and revokes codes."""

    _lane: Lane
    _store: Store
    _clock: Clock
    _keyring: Keyring
    _passwords: PasswordGuard
    _codes: CodeMaker
    _tags: TagMaker

    async def IssueCode(
        self, request: contract.IssueCodeRequest, context: _Context
    ) -> contract.IssueCodeResponse:
        """Make a code, keep its hashes, and return its text."""
        caller = CALLER.get()
        purpose = CodePurpose(request.purpose)
        policy = await load_one(self._store, Policy.key_of_current()) or Policy()
        life_seconds = code_life_seconds(policy, purpose)
        expires_at_seconds = self._clock.now() // 1000 + life_seconds
        tag = self._tags.read(request.terminal_tag)
        audience = tag.terminal_id if tag else ""
        made = self._make_code(caller, request, expires_at_seconds, audience)
        key = request_key(self._keyring, "IssueCode", request, request.request_id)
        answer = await decided(
            self._lane,
            commands.IssueCode(
                caller=caller,
                partition=customer_partition(caller),
                request=key,
                cti_hash=made.issued.cti_hash,
                text_hash=made.issued.text_hash,
                key_id=made.issued.key_id,
                expires_at_seconds=expires_at_seconds,
                purpose=purpose,
                card_id=request.card_id,
                bill=_bill_choice(request),
                ticket=_ticket_choice(request),
                tag=tag,
                password=await self._check_password(caller, request.password, key),
            ),
            CodeAnswer,
        )
        if answer.cti_hash != made.issued.cti_hash:  # an earlier answer: make its code again
            made = self._make_code(
                caller,
                request,
                answer.expires_at_seconds,
                answer.bound_terminal_id,
                key_id=answer.key_id,
            )
        if (
            answer.cti_hash != made.issued.cti_hash
        ):  # its key is gone, and the number has another one
            raise Refused(Reason.CODE_KEY_UNKNOWN)
        self._codes.remember(made)
        return _code_response(caller, answer, made)

    async def RevokeCode(
        self, request: contract.RevokeCodeRequest, context: _Context
    ) -> contract.RevokeCodeResponse:
        """Revoke the device's unused codes."""
        caller = CALLER.get()
        command = commands.RevokeCode(
            caller=caller,
            partition=customer_partition(caller),
            request=request_key(self._keyring, "RevokeCode", request, request.request_id),
            purpose=CodePurpose(request.purpose) if request.purpose else None,
        )
        answer = await decided(self._lane, command, Done)
        return contract.RevokeCodeResponse(codes_revoked=answer.count)

    def _make_code(
        self,
        caller: Caller,
        request: contract.IssueCodeRequest,
        expires_at_seconds: int,
        audience: str,
        key_id: int | None = None,
    ) -> MadeCode:
        return self._codes.make(
            caller.caller_id,
            request.request_id.lower(),
            partition=customer_partition(caller),
            expires_at_seconds=expires_at_seconds,
            audience=audience,
            ticket=_ticket_choice(request),
            key_id=key_id,
        )

    async def _check_password(
        self, caller: Caller, password: str, key: RequestKey
    ) -> RightPassword | None:
        """Return the right password, None if none was given; a wrong one ends the call."""
        if not password:
            return None
        key_of_customer = Customer.key_of(customer_partition(caller), caller.caller_id)
        customer = await load_one(self._store, key_of_customer)
        assert customer is not None, "a signed-in customer exists"
        return await self._passwords.check(customer, password, request=key)


def _bill_choice(request: contract.IssueCodeRequest) -> BillReference | None:
    if not request.HasField("bill"):
        return None
    return BillReference(
        merchant_id=request.bill.merchant_id, bill_reference=request.bill.bill_reference
    )


def _ticket_choice(request: contract.IssueCodeRequest) -> TicketReference | None:
    if not request.HasField("ticket"):
        return None
    return TicketReference(event_id=request.ticket.event_id, ticket_id=request.ticket.ticket_id)


def _code_response(
    caller: Caller, answer: CodeAnswer, made: MadeCode
) -> contract.IssueCodeResponse:
    expires_at = answer.expires_at_seconds * 1000
    return contract.IssueCodeResponse(
        code=made.text,
        code_reference=identification_pb2.CodeReference(
            partition=customer_partition(caller),
            cti_hash=bytes.fromhex(answer.cti_hash),
            expires_at_seconds=answer.expires_at_seconds,
        ),
        issued_at=time_message(answer.issued_at),
        expires_at=time_message(expires_at),
        next_at=time_message(answer.issued_at + (expires_at - answer.issued_at) * 3 // 4),
        bound_terminal_id=answer.bound_terminal_id,
        bound_merchant_name=answer.bound_merchant_name,
    )
