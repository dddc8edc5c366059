"""A world with one customer and one till in it, and questions that the stories ask."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tallymark.v1 import operator_service_pb2, process_pb2, terminal_service_pb2
from tallymark_server.domain.model.registrations import Bill, PointsAccount, Ticket
from tallymark_server.domain.state import Row
from tests.world.messages import by_process
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["Shop", "open_shop"]


class Shop:
    """Ana has a card, 300 points, a ticket A-1 and a bill B-7 over 10 EUR; she stands at till-1."""

    def __init__(self, world: World, phone: Phone, till: Terminal) -> None:
        self.world = world
        self.phone = phone
        self.till = till

    async def scan(self, *actions: Any, **more: Any) -> process_pb2.Process:
        """Issue a code and resolve it at the till."""
        process: process_pb2.Process = await self.till.resolve(
            await self.phone.issue(), *actions, **more
        )
        return process

    async def belongings(self) -> list[Row]:
        """Return every bill, ticket and points account as it is stored, with all that is held."""
        return await self._rows(Bill, Ticket, PointsAccount)

    async def _rows(self, *tables: type[Row]) -> list[Row]:
        rows: list[Row] = []
        for table in tables:
            rows += await self.world.store.scan(table, 0, limit=10_000)
        return rows

    async def unresolved(self) -> list[process_pb2.Process]:
        """Return the processes that wait for the operator."""
        request = operator_service_pb2.ListUnresolvedProcessesRequest()
        answer = await self.world.operator.call("ListUnresolvedProcesses", request)
        return list(answer.processes)

    async def states(self, process_id: str) -> AsyncGenerator[process_pb2.Process, None]:
        """Yield the states of a process as the till hears of them."""
        request = terminal_service_pb2.WatchProcessRequest(reference=by_process(process_id))
        call = self.till.watch("WatchProcess", request)
        try:
            async for answer in call:
                yield answer.process
        finally:
            call.cancel()

    async def wait_for(
        self, process_id: str, state: process_pb2.ProcessState.ValueType
    ) -> process_pb2.Process:
        """Wait until the till hears of this state."""
        async with aclosing(self.states(process_id)) as states:
            async for process in states:
                if process.state == state:
                    return process
        message = "the process ended in another state"
        raise AssertionError(message)


async def open_shop(world: World) -> Shop:
    """Furnish a world, in which no confirmation is needed below 10,000 EUR, however often."""
    await world.operator.set_policy(
        confirm_money_from=1_000_000,
        unconfirmed_count_max=10_000,
        unconfirmed_sum_max=10**9,
        new_terminal_days=0,
    )
    phone = await world.add_phone()
    await phone.add_card()
    await world.operator.add_points(phone, 300)
    await world.operator.add_ticket(phone, "A-1")
    await world.operator.add_bill(phone, "B-7", 1_000)
    return Shop(world, phone, await world.add_terminal())
