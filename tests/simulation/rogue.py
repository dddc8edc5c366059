"""A terminal that shows every code again, and repeats its own requests wrongly."""

import asyncio
from random import Random
from typing import Any

from grpc.aio import AioRpcError

from tallymark.v1 import action_pb2, identification_pb2
from tallymark.v1.terminal_service_pb2 import ResolveCodeRequest
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_terminal.request_ids import RequestIds
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.server_machine import SERVER, MachineClock
from tests.simulation.virtual_loop import Life

__all__ = ["ROGUE", "Rogue"]

ROGUE = "rogue"


class Rogue:
    """Enrolled like any other. Whatever it does, the first request of a code keeps it."""

    def __init__(self, network: Network, codes: list[str], *, chance: Random, notes: Notes) -> None:
        """Take the codes that were shown so far, as they grow."""
        self.life = Life(ROGUE)
        self._network = network
        self._codes = codes
        self._chance = chance
        self._notes = notes
        self._sent: list[ResolveCodeRequest] = []
        self._ids = RequestIds(
            wall_clock=MachineClock(network.loop).now_seconds, random_bits=chance.getrandbits
        )

    async def roam(self) -> None:
        """Show codes for ever."""
        while True:
            await asyncio.sleep(self._chance.uniform(1.0, 60.0))
            if self._sent and self._chance.random() < 0.4:
                await self._repeat(self._chance.choice(self._sent))
            elif self._codes:
                await self._show(self._chance.choice(self._codes))

    async def _show(self, code: str) -> None:
        request = ResolveCodeRequest(
            request_id=self._ids.new(),
            identification=identification_pb2.Identification(code=code),
            actions=[_burn(self._chance.randrange(1, 20))],
        )
        self._notes.write(ROGUE, f"shows {self._notes.name('code', code)} again")
        self._sent.append(request)
        await self._send(request)

    async def _repeat(self, sent: ResolveCodeRequest) -> None:
        """Send a request again, as it was or with another body."""
        request = ResolveCodeRequest()
        request.CopyFrom(sent)
        if self._chance.random() < 0.5:
            request.actions[0].burn_points.points += 1
        await self._send(request)

    async def _send(self, request: ResolveCodeRequest) -> None:
        stub: Any = TerminalServiceStub(self._network.channel(SERVER))
        try:
            await stub.ResolveCode(request, timeout=8.0)
        except AioRpcError as error:
            if "CODE_ALREADY_CLAIMED" in str(error.trailing_metadata()):
                self._notes.reach("dead code refused", ROGUE)


def _burn(points: int) -> action_pb2.Action:
    return action_pb2.Action(burn_points=action_pb2.BurnPointsAction(points=points))
