"""The phone's calls to the server. No message of the contract leaves this module.

    async with PhoneConnection("shop.example:7000", session_token=token) as server:
        code = await server.issue_code(CodeChoice(purpose=Purpose.POINTS))
        async for event in server.watch_processes():
            ...

Every call has a deadline. A call whose outcome is unknown is repeated with the same request_id, a
bounded number of times; what is still unknown then is raised as UnknownOutcome, and a "no" as
Refused. To repeat a request after a restart, write its request_id down and give it again.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1.customer_service_pb2_grpc import CustomerServiceStub
from tallymark_phone._calls import Calls, open_channel
from tallymark_phone._process_messages import to_process, to_receipt
from tallymark_phone._registration_messages import (
    PURPOSES,
    from_choice,
    to_card,
    to_code,
    to_holdings,
    to_session,
)
from tallymark_phone.processes import Decision, Process, ProcessEvent, Receipt
from tallymark_phone.registrations import (
    AddedDevice,
    Card,
    Code,
    CodeChoice,
    Holdings,
    Purpose,
    RegisteredCustomer,
    Session,
)
from tallymark_phone.repetition import Repetition
from tallymark_phone.request_ids import new_request_id
from tallymark_protocol.errors import UnknownOutcome

__all__ = ["PAGE_SIZE", "PhoneConnection"]

INSTITUTION_DEADLINE_SECONDS: Final = 35.0
"""Deadline where the server asks the credit institution, which it gives 30 s."""

PAGE_SIZE: Final = 50
"""Processes to ask for at once."""

_DECISIONS: Final = {
    Decision.APPROVE: pb.DECISION_APPROVE,
    Decision.DECLINE: pb.DECISION_DECLINE,
}


class PhoneConnection:
    """A connection to one server, as one device of one customer. Use it as a context manager.

    Every method can raise TallymarkError: `Refused`, or `UnknownOutcome` after the last repeat.
    Methods that change something take a `request_id`; without one they make their own.
    """

    def __init__(
        self, server: str, *, session_token: str = "", repetition: Repetition | None = None
    ) -> None:
        """Take the server's HOST:PORT, and the session token of a device that has one."""
        self._server = server
        self._calls = Calls(session_token=session_token, repetition=repetition or Repetition())

    async def __aenter__(self) -> Self:
        """Prepare the connection; the first call opens it."""
        self._channel = open_channel(self._server)
        self._stub = CustomerServiceStub(self._channel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every open call."""
        await self._channel.close()

    # Customer and devices. The three that open a session use it in all later calls.

    async def register_customer(
        self,
        *,
        login_name: str,
        password: str,
        device_name: str,
        telephone_number: str = "",
        request_id: str | None = None,
    ) -> RegisteredCustomer:
        """Register a customer with this device; refused if the name is taken."""
        request = pb.RegisterCustomerRequest(
            request_id=request_id or new_request_id(),
            login_name=login_name,
            password=password,
            device_name=device_name,
            telephone_number=telephone_number,
        )
        response = await self._calls.ask(self._stub.RegisterCustomer, request)
        return RegisteredCustomer(
            customer_id=response.customer_id,
            device_id=response.device_id,
            session=self._opened(response.session_token, response.session_expires_at),
            is_number_code_sent=response.number_code_sent,
        )

    async def verify_number(self, number_code: str, *, request_id: str | None = None) -> str:
        """Prove that the telephone number is the customer's; returns the number."""
        request = pb.VerifyNumberRequest(
            request_id=request_id or new_request_id(), number_code=number_code
        )
        response = await self._calls.ask(self._stub.VerifyNumber, request)
        return response.telephone_number

    async def sign_in(
        self, *, login_name: str, password: str, device_id: str, request_id: str | None = None
    ) -> Session:
        """Open a session for a known device."""
        request = pb.SignInRequest(
            request_id=request_id or new_request_id(),
            login_name=login_name,
            password=password,
            device_id=device_id,
        )
        response = await self._calls.ask(self._stub.SignIn, request)
        return self._opened(response.session_token, response.session_expires_at)

    async def add_device(
        self, *, login_name: str, password: str, device_name: str, request_id: str | None = None
    ) -> AddedDevice:
        """Make this phone another device of a customer."""
        request = pb.AddDeviceRequest(
            request_id=request_id or new_request_id(),
            login_name=login_name,
            password=password,
            device_name=device_name,
        )
        response = await self._calls.ask(self._stub.AddDevice, request)
        return AddedDevice(
            device_id=response.device_id,
            session=self._opened(response.session_token, response.session_expires_at),
        )

    async def remove_device(self, device_id: str, *, request_id: str | None = None) -> None:
        """End a device's sessions and codes; it may be this one."""
        request = pb.RemoveDeviceRequest(
            request_id=request_id or new_request_id(), device_id=device_id
        )
        await self._calls.ask(self._stub.RemoveDevice, request)

    # What is registered.

    async def register_card(
        self,
        *,
        card_number: str,
        expires_on: str,
        is_default: bool = False,
        request_id: str | None = None,
    ) -> Card:
        """Register a card; `expires_on` is "YYYY-MM"."""
        request = pb.RegisterCardRequest(
            request_id=request_id or new_request_id(),
            card_number=card_number,
            expires_on=expires_on,
            make_default=is_default,
        )
        response = await self._calls.ask(
            self._stub.RegisterCard, request, deadline_seconds=INSTITUTION_DEADLINE_SECONDS
        )
        return to_card(response.card)

    async def remove_card(self, card_id: str, *, request_id: str | None = None) -> None:
        """Remove a card."""
        request = pb.RemoveCardRequest(request_id=request_id or new_request_id(), card_id=card_id)
        await self._calls.ask(self._stub.RemoveCard, request)

    async def get_wallet(self) -> Holdings:
        """Return everything that is registered."""
        return to_holdings(await self._calls.ask(self._stub.GetWallet, pb.GetWalletRequest()))

    # Codes.

    async def issue_code(
        self, choice: CodeChoice, *, password: str = "", request_id: str | None = None
    ) -> Code:
        """Return a new code; give the password when it was refused with PASSWORD_REQUIRED."""
        request = from_choice(choice, request_id=request_id or new_request_id(), password=password)
        return to_code(await self._calls.ask(self._stub.IssueCode, request))

    async def revoke_codes(
        self, purpose: Purpose | None = None, *, request_id: str | None = None
    ) -> int:
        """Kill this device's unused codes, or those of one purpose; returns their number."""
        request = pb.RevokeCodeRequest(request_id=request_id or new_request_id())
        if purpose:
            request.purpose = PURPOSES[purpose]
        response = await self._calls.ask(self._stub.RevokeCode, request)
        return response.codes_revoked

    # Processes.

    async def confirm_process(
        self,
        process_id: str,
        decision: Decision,
        *,
        digits: str = "",
        request_id: str | None = None,
    ) -> Process:
        """Approve or decline a process that waits for the customer."""
        request = pb.ConfirmProcessRequest(
            request_id=request_id or new_request_id(),
            process_id=process_id,
            decision=_DECISIONS[decision],
            confirmation_digits=digits,
        )
        return to_process((await self._calls.ask(self._stub.ConfirmProcess, request)).process)

    async def dispute_process(
        self, process_id: str, *, statement: str = "", request_id: str | None = None
    ) -> Process:
        """Tell that the customer did not want a process."""
        request = pb.DisputeProcessRequest(
            request_id=request_id or new_request_id(), process_id=process_id, statement=statement
        )
        return to_process((await self._calls.ask(self._stub.DisputeProcess, request)).process)

    async def list_processes(self, *, page_size: int = PAGE_SIZE) -> AsyncGenerator[Process]:
        """Yield the customer's processes, newest first, page by page."""
        page_token = ""
        while True:
            request = pb.ListProcessesRequest(page_size=page_size, page_token=page_token)
            response = await self._calls.ask(self._stub.ListProcesses, request)
            for process in response.processes:
                yield to_process(process)
            page_token = response.next_page_token
            if not page_token:
                return

    async def get_receipt(self, process_id: str) -> Receipt:
        """Return the receipt of a completed process."""
        request = pb.GetReceiptRequest(process_id=process_id)
        return to_receipt((await self._calls.ask(self._stub.GetReceipt, request)).receipt)

    async def watch_processes(
        self, *, after_event: int = 0, on_lost: Callable[[UnknownOutcome], None] | None = None
    ) -> AsyncGenerator[ProcessEvent]:
        """Yield every change after an event, for ever; a lost stream is resumed where it stopped.

        `on_lost` hears of each loss. After several losses in a row, with no message in between, the
        last one is raised.
        """
        seen_event = after_event

        def resume() -> pb.WatchProcessesRequest:
            return pb.WatchProcessesRequest(after_event=seen_event)

        stream = self._calls.follow(self._stub.WatchProcesses, resume, on_lost)
        async with aclosing(stream) as messages:
            async for message in messages:
                seen_event = max(seen_event, message.event)
                # Without a process it is a sign of life.
                if message.HasField("process"):
                    yield ProcessEvent(event=message.event, process=to_process(message.process))

    def _opened(self, token: str, expires_at: Timestamp) -> Session:
        """Return the session, which all later calls use."""
        self._calls.session_token = token
        return to_session(token, expires_at)
