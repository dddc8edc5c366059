"""When too much arrives, and when the store fails: nobody is told what is not so."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from tallymark.v1.terminal_service_pb2 import ListVerificationKeysRequest
from tallymark.v1.terminal_service_pb2_grpc import TerminalServiceStub
from tallymark_protocol.errors import (
    RETRY_PUSHBACK_KEY,
    NotDone,
    TallymarkError,
    UnknownOutcome,
)
from tallymark_protocol.tls import open_channel
from tallymark_server.domain.answers import Done, ReversalAnswer, ReversalOutcome
from tallymark_server.domain.decide import Decision
from tallymark_server.domain.model.actions import BurnPointsAsk
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.model.people import Login
from tallymark_server.domain.state import Key, Need, Row
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import lane as lanes
from tallymark_server.services import interceptors
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.storage.store import StoreFailed
from tests.integration.lane_ground import furnish, lane_over, name_of, resolve, reverse, together
from tests.world.actions import burn
from tests.world.messages import new_id
from tests.world.serving import world
from tests.world.shop import open_shop
from tests.world.world import World

BURN = BurnPointsAsk(points=10)


class FailingStore(MemoryStore):
    """Fails when told to, before it saves."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False

    async def load(self, keys: Any) -> Any:
        self._fail()
        return await super().load(keys)

    async def save(
        self,
        changes: Mapping[Key[Any], Row | None],
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        self._fail()
        await super().save(changes, entries, new)

    async def scan(self, *arguments: Any, **more: Any) -> Any:
        self._fail()
        return await super().scan(*arguments, **more)

    def _fail(self) -> None:
        if self.is_broken:
            message = "the disk is gone"
            raise StoreFailed(message)


async def test_beyond_the_bound_of_the_queue_callers_are_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "QUEUE_MAX", 10)
    store = MemoryStore()
    await furnish(store, 13)

    async with lane_over(store) as lane:
        commands = [resolve(name_of(number), f"r{number}", BURN) for number in range(13)]
        answers = await together(lane, commands)
        again = await together(lane, commands[10:])

    sent_away = [answer for answer in answers if isinstance(answer, NotDone)]
    assert [answer.reason for answer in sent_away] == ["OVERLOADED"] * 3
    assert answers[10:] == sent_away
    assert sent_away[0].retry_after_seconds > 0
    assert not any(isinstance(answer, BaseException) for answer in again)


async def test_an_overloaded_server_says_when_to_come_back(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await open_shop(in_memory)
    request = shop.till.resolve_request(await shop.phone.issue(), burn(1))
    monkeypatch.setattr(lanes, "QUEUE_MAX", 0)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.till.stub.ResolveCode(request)
    monkeypatch.undo()

    trailing = dict(caught.value.trailing_metadata() or ())
    assert int(trailing[RETRY_PUSHBACK_KEY]) > 0
    assert await shop.till.reason("ResolveCode", request) == "OK"


async def test_when_the_store_fails_everybody_is_told_that_the_outcome_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "BATCH_MAX", 4)
    store = FailingStore()
    await furnish(store, 10)

    async with lane_over(store) as lane:
        store.is_broken = True
        commands = [resolve(name_of(number), f"r{number}", BURN) for number in range(10)]
        answers = await together(lane, commands)
        later = await together(lane, [reverse("a", "b")])

    assert [type(answer) for answer in answers] == [UnknownOutcome] * 10
    assert {getattr(answer, "reason", "") for answer in answers} == {"STORE_FAILED"}
    assert isinstance(later[0], NotDone)
    assert later[0].reason == "SHUTTING_DOWN"


async def test_a_server_whose_store_fails_stops_serving(
    keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    store = FailingStore()
    async with world(store, keyring) as served:
        shop = await open_shop(served)
        request = shop.till.resolve_request(await shop.phone.issue(), burn(1))
        store.is_broken = True
        outcome = await shop.till.reason("ResolveCode", request)
        await asyncio.wait_for(served.app.stopped.wait(), 10)

    assert outcome == "STORE_FAILED"
    assert "the server cannot go on" in caplog.text


async def test_a_server_that_is_stopping_says_so_to_new_callers(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interceptors, "QUIET_SECONDS", 0.2)
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(world(MemoryStore(), keyring))
        till = await served.add_terminal()
        channel = open_channel(
            f"127.0.0.1:{served.app.terminal_port}",
            ca_certificates_pem=served.ca_pem,
            identity=till.identity,
        )
        till.stub = TerminalServiceStub(channel)
        await till.call("ListVerificationKeys", ListVerificationKeysRequest())
        stopping = asyncio.create_task(stack.aclose())
        error: TallymarkError | None = None
        while error is None:
            try:
                await till.call("ListVerificationKeys", ListVerificationKeysRequest())
            except TallymarkError as told:
                error = told
        await stopping
        await channel.close()

    assert isinstance(error, NotDone)
    assert error.reason == "SHUTTING_DOWN"
    assert error.retry_after_seconds > 0


async def test_what_a_lane_was_told_before_it_stops_is_answered() -> None:
    store = MemoryStore()
    await furnish(store, 3)

    async with lane_over(store) as lane:
        commands = [resolve(name_of(number), f"r{number}", BURN) for number in range(3)]
        submissions = asyncio.create_task(together(lane, commands))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        lane.stop()
        answers = await submissions

    assert not any(isinstance(answer, BaseException) for answer in answers)


async def test_a_row_that_a_batch_wrote_is_not_forgotten_for_the_stored_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One command asks for a row in the same round in which another one writes it unasked."""
    row = Login(partition=0, login_hash="ana", customer_id="c", customer_partition=0)
    reader, writer = reverse("reader", "r1"), reverse("writer", "r2")

    def read_or_write(rows: Mapping[Key[Any], Row | None], command: object, _: int) -> Decision:
        if command is writer:
            return Decision(Done(), {row.key: row}, None)
        if row.key not in rows:
            raise Need([row.key])
        return Decision(Done(count=rows[row.key] is not None), {}, None)

    monkeypatch.setattr(lanes, "decide", read_or_write)
    async with lane_over(MemoryStore()) as lane:
        read, wrote = await together(lane, [reader, writer])

    assert wrote == Done()
    assert read == Done(count=1)


async def test_a_command_that_never_has_the_rows_it_needs_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def never_enough(*_: object) -> Decision:
        raise Need([Login.key_of(new_id())])

    async with lane_over(MemoryStore()) as lane:
        with monkeypatch.context() as patch:
            patch.setattr(lanes, "decide", never_enough)
            (fault,) = await together(lane, [reverse("a", "b")])
        (answer,) = await together(lane, [reverse("a", "b")])

    assert isinstance(fault, UnknownOutcome)
    assert fault.reason == "INTERNAL"
    assert "never has the rows it needs" in caplog.text
    assert answer == ReversalAnswer(outcome=ReversalOutcome.NEVER_SEEN)
