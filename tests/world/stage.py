"""A furnished world: two customers, three terminals, and short ways into a process's states."""

from typing import Any, Self

from tallymark.v1 import (
    action_pb2,
    customer_service_pb2,
    operator_service_pb2,
    process_pb2,
    registration_pb2,
    terminal_service_pb2,
)
from tests.world.actions import charge, earn
from tests.world.actor import Actor
from tests.world.calls import rows_in
from tests.world.contract import Rpc
from tests.world.messages import new_id
from tests.world.operator import Operator
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["ANAS_NUMBER", "BOBS_NUMBER", "PASSWORD", "Stage"]

ANAS_NUMBER = "+4930123456"
BOBS_NUMBER = "+4930654321"
PASSWORD = "correct horse"

TO_BE_CONFIRMED = 6_000
"""Minor units above the policy's default floor."""


class Stage:
    """Ana has a card, a bill "B-1", a ticket "A-1" and 400 points; Bob a bill and a ticket.

    till-1 and till-2 are the cafe's, gate-1 is the hall's, which takes part in no programme.
    """

    world: World
    ana: Phone
    bob: Phone
    till: Terminal
    other_till: Terminal
    gate: Terminal
    operator: Operator
    card: registration_pb2.Card

    @classmethod
    async def set_up(cls, world: World) -> Self:
        stage = cls()
        stage.world = world
        stage.operator = world.operator
        stage.ana = await world.add_phone(telephone_number=ANAS_NUMBER)
        stage.bob = await world.add_phone("bob", telephone_number=BOBS_NUMBER)
        stage.till = await world.add_terminal()
        stage.other_till = await world.add_terminal("till-2")
        stage.gate = await world.add_terminal("gate-1", "hall")
        stage.card = await stage.ana.add_card()
        await stage.operator.add_points(stage.ana, 400)
        for phone, bill, ticket in ((stage.ana, "B-1", "A-1"), (stage.bob, "B-2", "A-2")):
            await stage.operator.add_bill(phone, bill, 1_000)
            await stage.operator.add_ticket(phone, ticket)
        return stage

    def caller_of(self, rpc: Rpc) -> Actor:
        """Return who calls this RPC when nothing else is said."""
        callers = {"customer": self.ana, "terminal": self.till, "operator": self.operator}
        return callers[rpc.caller]

    async def rows(self) -> Any:
        """Return what a refused call must leave as it is, with nothing left to do."""
        await self.world.settle()
        return await rows_in(self.world.store)

    async def new_enrolment_code(self, terminal_id: str) -> str:
        request = operator_service_pb2.CreateTerminalRequest(
            terminal_id=terminal_id, merchant_id="cafe"
        )
        return str((await self.operator.call("CreateTerminal", request)).enrolment_code)

    async def verify_number(self, phone: Phone, number: str) -> None:
        request = customer_service_pb2.VerifyNumberRequest(
            request_id=new_id(), number_code=self.world.numbers.codes[number]
        )
        await phone.call("VerifyNumber", request)

    async def instructed(self, *actions: action_pb2.Action) -> process_pb2.Process:
        """Return a process that waits for its execution; by default it adds a point."""
        process = await self.till.resolve(await self.ana.issue(), *(actions or (earn(1),)))
        return _in_state(process, process_pb2.PROCESS_STATE_INSTRUCTED)

    async def awaiting(self) -> process_pb2.Process:
        """Return a process that waits for the customer."""
        process = await self.till.resolve(
            await self.ana.issue(), charge(TO_BE_CONFIRMED), wait_milliseconds=1
        )
        return _in_state(process, process_pb2.PROCESS_STATE_AWAITING_CUSTOMER)

    async def completed(self) -> process_pb2.Process:
        process = await self.instructed()
        answer = await self.till.complete(process.process_id)
        return _in_state(answer.process, process_pb2.PROCESS_STATE_COMPLETED)

    async def declined(self) -> process_pb2.Process:
        process = await self.till.resolve(await self.ana.issue(), earn(1_000))
        return _in_state(process, process_pb2.PROCESS_STATE_DECLINED)

    async def released(self) -> process_pb2.Process:
        answer = await self.till.reverse((await self.instructed()).process_id)
        return _in_state(answer.process, process_pb2.PROCESS_STATE_RELEASED)

    async def expired(self) -> process_pb2.Process:
        process = await self.awaiting()
        await self.world.pass_time(seconds=45)
        process = await self.till.get(process.process_id)
        return _in_state(process, process_pb2.PROCESS_STATE_EXPIRED)

    async def overdue(self) -> process_pb2.Process:
        process = await self.instructed()
        await self.world.pass_time(seconds=61)
        process = await self.till.get(process.process_id)
        return _in_state(process, process_pb2.PROCESS_STATE_OVERDUE)

    async def contested(self) -> process_pb2.Process:
        """Return a process that takes money, whose code a second terminal has shown."""
        code = await self.ana.issue()
        process = await self.till.resolve(code, charge(420))
        second = self.other_till.resolve_request(code, charge(420))
        assert await self.other_till.reason("ResolveCode", second) == "CODE_ALREADY_CLAIMED"
        process = await self.till.get(process.process_id)
        return _in_state(process, process_pb2.PROCESS_STATE_CONTESTED)

    async def by_telephone(self) -> process_pb2.Process:
        """Return a process that waits for Ana, who is found by her number."""
        await self.verify_number(self.ana, ANAS_NUMBER)
        request = terminal_service_pb2.ResolveCodeRequest(
            request_id=new_id(), actions=[earn(1)], wait_milliseconds=1
        )
        request.identification.telephone_number = ANAS_NUMBER
        process = (await self.till.call("ResolveCode", request)).process
        return _in_state(process, process_pb2.PROCESS_STATE_AWAITING_CUSTOMER)


def _in_state(
    process: process_pb2.Process, state: process_pb2.ProcessState.ValueType
) -> process_pb2.Process:
    assert process.state == state, f"the stage is set wrongly: {process}"
    return process
