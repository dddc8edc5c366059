"""A server in process that is sent requests of every kind, by right callers and wrong ones."""

import asyncio
import logging
import math
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import grpc
from google.protobuf.message import Message

from tallymark_protocol.errors import TallymarkError
from tallymark_protocol.reasons import Reason
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.fuzz.answers import Answer, fault_of
from tests.fuzz.requests import Requests
from tests.world.actor import Actor
from tests.world.contract import Rpc
from tests.world.samples import SAMPLES
from tests.world.serving import world
from tests.world.stage import Stage

__all__ = ["Besieged", "Counted", "Siege", "besiege", "requests_until_fault"]

DEADLINE_SECONDS: Final = 60.0
"""Never reached by a server that answers."""

SAMPLE_EACH: Final = 25
"""A new right request after so many: many of them are right only once."""

CHUNK: Final = 200
"""So many requests of an RPC go to one server before it has to show that it still serves."""

AT_ONCE: Final = 16

MANY_SALES: Final = {
    "unconfirmed_count_max": 10_000,
    "unconfirmed_sum_max": 10**12,
    "new_terminal_count_max": 10**6,
    "new_terminal_sum_max": 10**12,
}
"""Sales of one customer at one till that go on being right without a confirmation."""

_NO_LONGER_ALLOWED: Final = {
    Reason.CREDENTIALS_INVALID,
    Reason.SESSION_EXPIRED,
    Reason.CALLER_NOT_ALLOWED,
}


class Besieged(AssertionError):
    """An answer was not as promised."""

    def __init__(self, rpc: Rpc, fault: str, request: bytes = b"", caller: object = "") -> None:
        """Take what was called, what is wrong, and the request that it was wrong with."""
        super().__init__(f"{rpc}: {fault}; caller {caller!r}; request {request.hex()}")


@dataclass(kw_only=True, slots=True)
class Counted:
    """How many requests there were, and how they ended."""

    requests: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    stages: int = 0


async def besiege(
    rpcs: Sequence[Rpc], keyring: Keyring, *, requests: int, seed: str, seconds: float = math.inf
) -> tuple[Counted, list[str]]:
    """Send each RPC so many requests; return what was counted, and all faults.

    When the seconds are over it ends sooner.

    A server goes on as long as honest callers may call and right requests can be made; then
    another one is besieged.
    """
    counted, faults = Counted(), []
    waiting = [
        (rpc, min(CHUNK, requests - done))
        for rpc in reversed(rpcs)
        for done in range(0, requests, CHUNK)
    ]
    ends = time.monotonic() + seconds
    while waiting and time.monotonic() < ends:
        async with Siege.laid(keyring, counted, seed=f"{seed} {len(waiting)}") as siege:
            serves = True
            while waiting and serves and time.monotonic() < ends:
                rpc, count = waiting.pop()
                try:
                    await siege.assail(rpc, requests=count)
                    serves = await siege.still_serves(rpc)
                except Besieged as fault:
                    faults.append(str(fault))
                    serves = False
    return counted, faults


async def requests_until_fault(
    rpc: Rpc, keyring: Keyring, plant: Callable[[], None], *, most: int
) -> int:
    """Return after how many requests a planted bug showed; 0 if it did not."""
    counted = Counted()
    async with Siege.laid(keyring, counted, seed=str(rpc)) as siege:
        plant()
        try:
            await siege.assail(rpc, requests=most)
        except Besieged:
            return counted.requests
    return 0


class _Errors(logging.Handler):
    """Keeps what the server and its libraries log as an error: faults that no caller sees."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        self.records.append(f"{record.name}: {text} {error!r}")


class Siege:
    """One furnished server, and channels of all who call it."""

    stage: Stage

    def __init__(self, counted: Counted, *, seed: str) -> None:
        """Take what counts, and the seed of what is tried."""
        self.counted = counted
        self._chance = random.Random(seed)  # noqa: S311 -- repeatable is what it is for
        self._channels: dict[tuple[int, int], grpc.aio.Channel] = {}
        self._errors = _Errors()
        self._has_right_requests = True

    @classmethod
    @asynccontextmanager
    async def laid(cls, keyring: Keyring, counted: Counted, *, seed: str) -> AsyncIterator[Self]:
        """Serve a furnished world while the context lasts."""
        async with world(MemoryStore(), keyring) as served:
            siege = cls(counted, seed=seed)
            siege.stage = await Stage.set_up(served)
            await siege.stage.operator.set_policy(**MANY_SALES)
            counted.stages += 1
            logging.getLogger().addHandler(siege._errors)
            try:
                yield siege
            finally:
                logging.getLogger().removeHandler(siege._errors)

    async def assail(self, rpc: Rpc, *, requests: int) -> None:
        """Send so many requests of an RPC; raises Besieged when an answer is not as promised."""
        maker: Requests | None = None
        for begun in range(0, requests, SAMPLE_EACH):
            sample = await self._sample(rpc)
            if maker is None:
                words = _texts_in(sample) if sample is not None else []
                maker = Requests(rpc, chance=self._chance, words=words)
            count = min(SAMPLE_EACH, requests - begun)
            made = [maker.next(sample) for _ in range(count)]
            for first in range(0, count, AT_ONCE):
                sent = [self._send(rpc, each) for each in made[first : first + AT_ONCE]]
                await asyncio.gather(*sent)
            if self._errors.records:
                raise Besieged(rpc, f"the server logged {self._errors.records.pop()}")

    async def still_serves(self, rpc: Rpc) -> bool:
        """Say whether this server is worth more requests: honest callers get what they ask for.

        Not so if a request has revoked one of them, or has used up what a right one needs.
        Raises Besieged for any other end of an honest call after requests of this RPC.
        """
        stage = self.stage
        try:
            await stage.ana.wallet()
            await stage.till.tag()
            await stage.operator.set_policy()
        except TallymarkError as error:
            if error.reason in _NO_LONGER_ALLOWED:
                return False
            raise Besieged(rpc, f"an honest call ended with {error.reason}: {error}") from error
        return self._has_right_requests

    async def _sample(self, rpc: Rpc) -> Message | None:
        """Return a request that is right, unless the state of the world has none any more."""
        make = SAMPLES.get(rpc.path)
        if make is None or not self._has_right_requests:
            return None
        try:
            sample: Message = await make(self.stage)
        except (TallymarkError, AssertionError, KeyError, StopIteration):
            self._has_right_requests = False
            return None
        return sample

    async def _send(self, rpc: Rpc, request: bytes) -> None:
        actor, metadata = self._caller(rpc)
        answer = await self._call(rpc, request, actor, metadata)
        self.counted.requests += 1
        self.counted.ends[answer.status.name] += 1
        fault = fault_of(answer, rpc, request)
        if fault:
            raise Besieged(rpc, fault, request, metadata)

    async def _call(self, rpc: Rpc, request: bytes, actor: Actor, metadata: Any) -> Answer:
        channel = await self._channel(rpc, actor)
        try:
            if not rpc.streams:
                method: Any = channel.unary_unary(rpc.full_path)
                await method(request, metadata=metadata, timeout=DEADLINE_SECONDS)
                return Answer(grpc.StatusCode.OK)
            return await _first_of(channel.unary_stream(rpc.full_path), request, metadata)
        except grpc.aio.AioRpcError as error:
            return Answer.of_failure(error)

    def _caller(self, rpc: Rpc) -> tuple[Actor, Sequence[tuple[str, str]]]:
        """Return who calls: mostly who should, sometimes a colleague, or nobody with any right."""
        stage = self.stage
        actor = stage.caller_of(rpc)
        if self._chance.random() < 0.75:
            return actor, actor.metadata
        if rpc.caller == "customer":
            presented = self._chance.choice(
                (
                    *("", "Bearer", "Bearer ", "Basic YTpi", f"Bearer {uuid.uuid4().hex}"),
                    *(f"Bearer {'A' * 4_000}", f"Bearer {stage.ana.secret[:-1]}"),
                    *(stage.ana.secret, f"Bearer {stage.bob.secret}"),
                )
            )
            return actor, (("authorization", presented),) if presented else ()
        others: list[Actor] = [stage.other_till, stage.gate, stage.till, stage.operator]
        return self._chance.choice(others), ()

    async def _channel(self, rpc: Rpc, actor: Actor) -> grpc.aio.Channel:
        app = self.stage.world.app
        ports = {"customer": app.port, "terminal": app.terminal_port, "operator": app.operator_port}
        # Whoever enrols has no certificate yet, and calls the port of phones.
        port = ports[rpc.caller] if rpc.needs_credentials else app.port
        place = (port, id(actor))
        if place not in self._channels:
            identity = actor.identity if port != app.port else None
            self._channels[place] = await self.stage.world.channel(port, identity)
        return self._channels[place]


async def _first_of(method: Any, request: bytes, metadata: Any) -> Answer:
    """Return how a stream begins; one that says nothing for a moment is well, too."""
    call = method(request, metadata=metadata, timeout=DEADLINE_SECONDS)
    try:
        async with asyncio.timeout(0.05):
            first = await call.read()
    except TimeoutError:
        first = b""
    if first is grpc.aio.EOF and await call.code() is not grpc.StatusCode.OK:
        code, details = await call.code(), await call.details()
        return Answer(code, details, dict(await call.trailing_metadata()))
    call.cancel()
    return Answer(grpc.StatusCode.OK)


def _texts_in(message: Message) -> list[str]:
    """Return the texts of a right request: ids, codes and names that the server knows."""
    texts: list[str] = []
    for described, value in message.ListFields():
        values = value if described.is_repeated else [value]
        for each in values:
            if isinstance(each, str):
                texts.append(each)
            elif isinstance(each, Message):
                texts += _texts_in(each)
    return texts
