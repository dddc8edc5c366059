"""Requests that arrive several times, on a store that takes answers away after its commit."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import grpc

from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.model.processes import Request
from tallymark_server.domain.state import Key, Row
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.repetition.test_repetition import fixed_part
from tests.world.calls import Call, send
from tests.world.contract import Rpc

__all__ = ["LosingStore", "Repeated", "send_again", "send_often"]

SENDS_MAX = 5

LOST_SHARE = 0.2
"""Of all sendings, those whose answer never arrives."""

TURNS_MAX = 25
"""Of the loop that caller and server share, after which the caller of a repetition hangs up."""


class LosingStore(SqliteStore):
    """Cuts off whoever waits for a request's answer, in the moment in which it is durable."""

    def cut_off_after_commit(self, request_id: str, caller: "asyncio.Task[Any]") -> None:
        """Let this caller never hear what became of its request."""
        self._callers().setdefault(request_id, []).append(caller)

    async def save(
        self,
        changes: Mapping[Key[Any], Row | None],
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        await super().save(changes, entries, new)
        for key in changes:
            if key.table is Request:
                request_id = key.text.partition("/")[0]
                for caller in self._callers().pop(request_id, ()):
                    caller.cancel()

    def _callers(self) -> dict[str, list["asyncio.Task[Any]"]]:
        callers: dict[str, list[asyncio.Task[Any]]] = self.__dict__.setdefault("callers", {})
        return callers


class Repeated:
    """One request with all answers that arrived, as far as they have to be equal."""

    def __init__(self, rpc: Rpc, call: Call) -> None:
        self.rpc = rpc
        self.call = call
        self.answers: list[bytes] = []
        self.sendings = 0

    @property
    def request_id(self) -> str:
        return str(self.call.request.request_id)

    @property
    def is_answered_alike(self) -> bool:
        return len(set(self.answers)) == 1

    async def send(self) -> None:
        """Send it and take down the answer; an error is one, too."""
        self.sendings += 1
        try:
            answer = fixed_part(self.rpc, await send(self.call))
        except grpc.aio.AioRpcError as error:
            answer = repr((error.code(), error.details())).encode()
        self.answers.append(answer)


async def send_often(
    repeated: Repeated, store: LosingStore, chance: random.Random, lost: Counter[str]
) -> None:
    """Send it up to 5 times at once; some of the answers get lost."""
    sendings = []
    for _ in range(chance.randint(1, SENDS_MAX)):
        sending = asyncio.create_task(repeated.send())
        sendings.append(sending)
        if chance.random() < LOST_SHARE:
            store.cut_off_after_commit(repeated.request_id, sending)
    ends = await asyncio.gather(*sendings, return_exceptions=True)
    lost["after the commit"] += _count_lost(ends)


async def send_again(
    repeated: Repeated, chance: random.Random, lost: Counter[str], *, one_by_one: bool
) -> None:
    """Send it some more times, and at last once until it is answered."""
    sendings = []
    for _ in range(chance.randint(0, SENDS_MAX - 1)):
        sending = asyncio.create_task(repeated.send())
        sendings.append(sending)
        if chance.random() < LOST_SHARE:
            for _ in range(chance.randint(1, TURNS_MAX)):
                await asyncio.sleep(0)
            sending.cancel()
        if one_by_one:
            await asyncio.wait({sending})
    ends = await asyncio.gather(*sendings, return_exceptions=True)
    lost["of a repetition"] += _count_lost(ends)
    await repeated.send()


def _count_lost(ends: Sequence[object]) -> int:
    faults = [end for end in ends if isinstance(end, BaseException)]
    assert all(isinstance(fault, asyncio.CancelledError) for fault in faults), faults
    return len(faults)
