"""A customer's phone: codes, cards, and answers that it signs."""

import contextlib
from typing import Any

from tallymark.v1 import customer_service_pb2, identification_pb2, process_pb2, registration_pb2
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_protocol.device_key import DevicePrivateKey
from tests.world.actor import Actor
from tests.world.messages import new_id

__all__ = ["GOOD_CARD", "Phone"]

GOOD_CARD = "4242424242424242"


class Phone(Actor):
    """A customer's phone, with the device's key in it."""

    device_key: DevicePrivateKey
    customer_id = ""
    device_id = ""
    login_name = ""

    async def add_card(self, number: str = GOOD_CARD) -> registration_pb2.Card:
        request = customer_service_pb2.RegisterCardRequest(
            request_id=new_id(), card_number=number, expires_on="2030-12"
        )
        answer: customer_service_pb2.RegisterCardResponse = await self.call("RegisterCard", request)
        return answer.card

    async def issue(
        self,
        purpose: identification_pb2.CodePurpose.ValueType = identification_pb2.CODE_PURPOSE_GENERAL,
        **more: Any,
    ) -> str:
        request = customer_service_pb2.IssueCodeRequest(
            request_id=new_id(), purpose=purpose, **more
        )
        return str((await self.call("IssueCode", request)).code)

    async def confirm(
        self, process_id: str, *, approve: bool = True, digits: str = ""
    ) -> process_pb2.Process:
        request = await self.confirm_request(process_id, approve=approve, digits=digits)
        answer: customer_service_pb2.ConfirmProcessResponse
        answer = await self.call("ConfirmProcess", request)
        return answer.process

    async def confirm_request(
        self, process_id: str, *, approve: bool = True, digits: str = ""
    ) -> customer_service_pb2.ConfirmProcessRequest:
        """Return a signed answer to a process as the phone sees it."""
        contract = customer_service_pb2
        shown = next((one for one in await self.processes() if one.process_id == process_id), None)
        return contract.ConfirmProcessRequest(
            request_id=new_id(),
            process_id=process_id,
            decision=contract.DECISION_APPROVE if approve else contract.DECISION_DECLINE,
            confirmation_digits=digits,
            signature=self.signature(shown, approve=approve, digits=digits),
        )

    def signature(
        self, shown: process_pb2.Process | None, *, approve: bool, digits: str = ""
    ) -> bytes:
        """Return the device's signature over what it was shown."""
        statement = b"nothing to answer"
        with contextlib.suppress(ValueError):
            if shown is not None:
                decision = Decision.APPROVE if approve else Decision.DECLINE
                statement = confirmation_of(shown, decision, digits).to_bytes()
        return self.device_key.sign(statement)

    async def wallet(self) -> customer_service_pb2.GetWalletResponse:
        request = customer_service_pb2.GetWalletRequest()
        answer: customer_service_pb2.GetWalletResponse = await self.call("GetWallet", request)
        return answer

    async def processes(self) -> list[process_pb2.Process]:
        request = customer_service_pb2.ListProcessesRequest()
        answer: customer_service_pb2.ListProcessesResponse
        answer = await self.call("ListProcesses", request)
        return list(answer.processes)

    async def points(self) -> int:
        accounts = (await self.wallet()).points_accounts
        return int(accounts[0].balance) if accounts else 0
