"""Servers that are killed at random moments while customers buy, one after the other."""

import asyncio
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark.v1.terminal_service_pb2 import CompleteProcessRequest, ResolveCodeRequest
from tests.crash.found import examine
from tests.crash.servers import DEADLINE_SECONDS, Server, started
from tests.crash.stories import Buyer, ScansAreWhole, scan_request
from tests.crash.strace import database_files
from tests.world.actor import Actor
from tests.world.messages import by_process, new_id

__all__ = ["Killed", "kill_again_and_again"]

ANSWERS_MAX = 40
"""A server is killed after at most so many answers; none has more than a moment."""


@dataclass
class Killed:
    """What came of it."""

    kills: int = 0
    acknowledged: int = 0
    repeated: int = 0
    """Requests without an answer, which were sent to the next server as they were."""

    lost: int = 0
    broken: list[str] = field(default_factory=list)


class _Shopper:
    """Buys with one scan after another; what has no answer is sent again."""

    def __init__(self, buyer: Buyer, answered: "_Answered") -> None:
        self.actors = (buyer.phone, buyer.till)
        self._buyer = buyer
        self._bills = iter(buyer.bills)
        self._answered = answered
        self._request: Any = None

    @property
    def is_waiting(self) -> bool:
        return self._request is not None

    async def buy(self) -> None:
        """Go on until a call has no answer, or nothing is left to buy."""
        while self._request is not None or self._begin():
            actor, rpc = self._way()
            method = getattr(actor.stub, rpc)
            try:
                answer = await method(
                    self._request, metadata=actor.metadata, timeout=DEADLINE_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return
            self._answered.note(self._request.request_id)
            self._go_on(answer)

    def _begin(self) -> bool:
        self._bill = next(self._bills, "")
        if self._bill:
            self._request = IssueCodeRequest(request_id=new_id(), purpose=CODE_PURPOSE_GENERAL)
        return bool(self._bill)

    def _way(self) -> tuple[Actor, str]:
        if isinstance(self._request, IssueCodeRequest):
            return self._buyer.phone, "IssueCode"
        rpc = "ResolveCode" if isinstance(self._request, ResolveCodeRequest) else "CompleteProcess"
        return self._buyer.till, rpc

    def _go_on(self, answer: Any) -> None:
        if isinstance(self._request, IssueCodeRequest):
            self._request = scan_request(self._buyer.till, answer.code, self._bill)
        elif isinstance(self._request, ResolveCodeRequest):
            reference = by_process(answer.process.process_id)
            self._request = CompleteProcessRequest(request_id=new_id(), reference=reference)
        else:
            self._request = None


class _Answered:
    """The clients' log, which no fault of a server reaches."""

    def __init__(self) -> None:
        self.request_ids: set[str] = set()
        self.kill: Any = None
        self._left = 0

    def kill_after(self, answers: int, server: Server) -> None:
        self._left = answers
        self.kill = server.send

    def note(self, request_id: str) -> None:
        self.request_ids.add(request_id)
        self._left -= 1
        if self._left == 0:
            self.kill(signal.SIGKILL)


async def kill_again_and_again(
    folder: Path, buyers: list[Buyer], *, kills: int, choice: random.Random
) -> Killed:
    """Start server after server on a folder, and kill each while everybody buys."""
    killed, answered, whole = Killed(), _Answered(), ScansAreWhole(folder)
    shoppers = [_Shopper(buyer, answered) for buyer in buyers]
    for _ in range(kills):
        server = Server(folder)
        async with started(server) as site:
            answered.kill_after(choice.randint(1, ANSWERS_MAX), server)
            for shopper in shoppers:
                await site.connect_again(*shopper.actors)
            killed.repeated += sum(shopper.is_waiting for shopper in shoppers)
            await asyncio.gather(*(shopper.buy() for shopper in shoppers))
            server.send(signal.SIGKILL)  # when everything was bought
            killed.kills += await server.ended() == -signal.SIGKILL
        found = examine(database_files(folder))
        killed.broken += [*found.faults, *whole(found)]
        killed.lost += len(answered.request_ids - found.request_ids)
    killed.acknowledged = len(answered.request_ids)
    return killed
