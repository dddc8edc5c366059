"""The phone's calls to the server. No message of the contract leaves this module and its parts.

    async with PhoneConnection("shop.example:7420", device_key=key, session_token=token) as server:
        code = await server.issue_code(CodeChoice(purpose=Purpose.POINTS))
        async for event in server.watch_processes():
            ...

Every call has a deadline. A call whose outcome is unknown is repeated with the same request_id, a
bounded number of times; what is still unknown then is raised as UnknownOutcome, and a "no" as
Refused. To repeat a request after a restart, write its request_id down and give it again.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone._account_calls import AccountCalls
from tallymark_phone._process_messages import to_process
from tallymark_phone._receipt_messages import to_receipt
from tallymark_phone._registration_messages import (
    PURPOSES,
    from_choice,
    to_card,
    to_code,
    to_holdings,
)
from tallymark_phone.device_signatures import sign_answer
from tallymark_phone.processes import Decision, Process, ProcessEvent, Receipt, SignedAnswer
from tallymark_phone.registrations import Card, Code, CodeChoice, Holdings, Purpose
from tallymark_phone.request_ids import new_request_id
from tallymark_protocol.errors import Refused, UnknownOutcome

__all__ = ["PAGE_SIZE", "PhoneConnection"]

INSTITUTION_DEADLINE_SECONDS: Final = 35.0
"""Deadline where the server asks the credit institution, which it gives 30 s."""

PAGE_SIZE: Final = 50
"""Processes to ask for at once."""

_DECISIONS: Final = {
    Decision.APPROVE: pb.DECISION_APPROVE,
    Decision.DECLINE: pb.DECISION_DECLINE,
}


class PhoneConnection(AccountCalls):
    """A connection to one server, as one device of one customer. Use it as a context manager.

    Every method can raise TallymarkError: `Refused`, or `UnknownOutcome` after the last repeat.
    Methods that change something take a `request_id`; without one they make their own.
    """

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
        """Return a new code; give the password when it was refused with PASSWORD_REQUIRED.

        Refused is also a code that was to be for one terminal and is good at any.
        """
        request = from_choice(choice, request_id=request_id or new_request_id(), password=password)
        code = to_code(await self._calls.ask(self._stub.IssueCode, request))
        if choice.terminal_tag and not code.bound_to:
            message = "The server has not bound the code to that terminal, so it is not shown."
            raise Refused(None, message=message)
        return code

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

    def sign_answer(
        self, process: Process, decision: Decision, *, digits: str = ""
    ) -> SignedAnswer:
        """Sign an answer to exactly what this value tells of a process; nothing is sent.

        Raises:
            CannotAnswer: nobody can say what the answer would mean.
            ValueError: the digits are not two digits.

        """
        return sign_answer(process, decision, digits=digits, device_key=self._device_key)

    async def confirm_process(
        self, answer: SignedAnswer, *, request_id: str | None = None
    ) -> Process:
        """Approve or decline a process that waits for the customer."""
        request = pb.ConfirmProcessRequest(
            request_id=request_id or new_request_id(),
            process_id=answer.process_id,
            decision=_DECISIONS[answer.decision],
            confirmation_digits=answer.digits,
            signature=answer.signature,
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
        return to_receipt(await self._calls.ask(self._stub.GetReceipt, request))

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
