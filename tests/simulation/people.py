"""Customers with their phones, and the operator: whoever answers what the programs ask."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from grpc.aio import AioRpcError

from tallymark.v1 import operator_service_pb2, process_pb2
from tallymark.v1.operator_service_pb2_grpc import OperatorServiceStub
from tallymark_phone.processes import Decision, ProcessState
from tallymark_phone.registrations import CodeChoice, Purpose
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import TallymarkError
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.server_machine import SERVER
from tests.simulation.virtual_loop import Life

__all__ = ["OPERATOR", "CustomerMachine", "Operator", "Owner"]

OPERATOR: Final = "operator"

_ASKED: Final = {ProcessState.AWAITING_CUSTOMER, ProcessState.CONTESTED}


class Owner(NamedTuple):
    """A registered customer: what the phone keeps."""

    login_name: str
    device_key: DevicePrivateKey
    session_token: str


class CustomerMachine:
    """A phone that shows codes and asks its customer, who says yes, no, or nothing."""

    def __init__(self, network: Network, owner: Owner, *, chance: Random, notes: Notes) -> None:
        """Take who holds the phone."""
        self.name = owner.login_name
        self.life = Life(self.name)
        self.said_no: set[str] = set()
        """Processes that the customer did not want."""

        self._network = network
        self._owner = owner
        self._chance = chance
        self._notes = notes
        self._answers = chance.choice(("yes", "yes", "mixed", "silent"))

    def start(self) -> None:
        """Begin to watch for questions."""
        self._network.loop.start(self.life, self._watch())

    def leave(self) -> None:
        """Switch the phone off."""
        self.life.end()

    async def issue(self, purpose: Purpose) -> str:
        """Return the text of a new code; raises TallymarkError."""
        async with self._connection() as server:
            code = await server.issue_code(CodeChoice(purpose=purpose))
        return code.text

    def _connection(self) -> PhoneConnection:
        return PhoneConnection(
            SERVER,
            device_key=self._owner.device_key,
            session_token=self._owner.session_token,
            repetition=Repetition(sleep=asyncio.sleep, randomness=self._chance.random),
        )

    async def _watch(self) -> None:
        """Hear of processes for ever; whatever breaks is begun again from the last event."""
        seen = 0
        async with self._connection() as server:
            while True:
                try:
                    async for news in server.watch_processes(after_event=seen):
                        seen = news.event
                        if news.process.state in _ASKED:
                            await self._answer(server, news.process)
                except TallymarkError:
                    await asyncio.sleep(5.0)

    async def _answer(self, server: PhoneConnection, process: Any) -> None:
        mood = self._answers
        if mood == "mixed":
            mood = self._chance.choice(("yes", "no", "silent"))
        if mood == "silent" or process.answer_form is None:
            return
        await asyncio.sleep(self._chance.uniform(0.3, 20.0))
        decision = Decision.APPROVE if mood == "yes" else Decision.DECLINE
        if decision is Decision.DECLINE:
            self.said_no.add(process.process_id)
        name = self._notes.name("process", process.process_id)
        self._notes.write(self.name, f"says {mood} to {name}")
        try:
            await server.confirm_process(server.sign_answer(process, decision))
        except TallymarkError as error:
            self._notes.write(self.name, f"was not heard: {error.reason}")


class Operator:
    """Settles what waits for a person, by what really happened at the till."""

    def __init__(
        self,
        network: Network,
        *,
        was_executed: Callable[[str], bool],
        notes: Notes,
    ) -> None:
        """Take who knows whether goods were handed out for a process."""
        self.life = Life(OPERATOR)
        self.released: set[str] = set()
        self.settled: set[str] = set()
        self._network = network
        self._was_executed = was_executed
        self._notes = notes

    async def settle_all(self) -> None:
        """Settle everything that waits now; what is not heard waits for the next time."""
        stub = OperatorServiceStub(self._network.channel(SERVER))
        request = operator_service_pb2.ListUnresolvedProcessesRequest()
        try:
            answer = await stub.ListUnresolvedProcesses(request, timeout=20.0)
        except AioRpcError:
            return
        for process in answer.processes:
            await self._settle(stub, process)

    async def _settle(self, stub: Any, process: process_pb2.Process) -> None:
        executed = self._was_executed(process.process_id)
        name = self._notes.name("process", process.process_id)
        word = process_pb2.ProcessState.Name(process.state).removeprefix("PROCESS_STATE_")
        self._notes.write(OPERATOR, f"settles {name} ({word}), executed: {executed}")
        settlements = operator_service_pb2.ProcessSettlement
        request = operator_service_pb2.SettleProcessRequest(
            process_id=process.process_id,
            settlement=settlements.PROCESS_SETTLEMENT_EXECUTED
            if executed
            else settlements.PROCESS_SETTLEMENT_NOT_EXECUTED,
            note="as the till says",
        )
        self.settled.add(process.process_id)
        if not executed:
            self.released.add(process.process_id)
        try:
            await stub.SettleProcess(request, timeout=20.0)
        except AioRpcError:
            self._notes.write(OPERATOR, f"was not heard about {name}")
        else:
            self._notes.reach(f"{word} settled by the operator", OPERATOR)
