"""A server whose store fails stops by itself; whoever starts it again recovers."""

import asyncio
from typing import Any, Never

import pytest

from tallymark.v1 import process_pb2
from tallymark_protocol.errors import NotDone
from tallymark_server.storage.store import StoreFailed
from tests.world.calls import Call, failure_of
from tests.world.samples import SAMPLES
from tests.world.stage import Stage
from tests.world.world import World

DEADLINE_SECONDS = 10.0


@pytest.mark.parametrize("method", ["scan", "save"])
async def test_the_server_stops_and_says_why_in_its_log(
    in_memory: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.ana, "RevokeCode", await SAMPLES["CustomerService/RevokeCode"](stage))
    monkeypatch.setattr(in_memory.store, method, _fail)

    if method == "save":
        assert (await failure_of(call)).reason == "STORE_FAILED"
    async with asyncio.timeout(DEADLINE_SECONDS):
        await in_memory.app.stopped.wait()  # a scan is the completer's next look

    assert "the disk is broken" in caplog.text


async def test_what_was_refused_by_a_broken_store_is_there_for_the_next_server_to_do(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.ana, "RevokeCode", await SAMPLES["CustomerService/RevokeCode"](stage))
    before = await stage.rows()
    monkeypatch.setattr(in_memory.store, "save", _fail)

    first = await failure_of(call)
    second = await failure_of(call)

    assert (first.reason, second.reason) == ("STORE_FAILED", "SHUTTING_DOWN")
    assert await stage.rows() == before


async def _fail(*_: Any, **__: Any) -> Never:
    message = "the disk is broken"
    raise StoreFailed(message)


async def test_below_the_floor_nothing_is_begun_and_what_was_begun_is_ended(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await Stage.set_up(in_memory)
    process = await stage.instructed()
    request = await SAMPLES["TerminalService/ResolveCode"](stage)
    before = await stage.rows()

    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(in_memory.app.lane, "_has_room", lambda: False)
        refused = await failure_of(Call(stage.till, "ResolveCode", request))
        unchanged = await stage.rows() == before
        wallet = await stage.ana.wallet()
        completed = (await stage.till.complete(process.process_id)).process
    again = (await stage.till.call("ResolveCode", request)).process

    assert refused.reason == "DISK_NEARLY_FULL"
    assert isinstance(refused.error, NotDone)
    assert refused.error.retry_after_seconds
    assert unchanged
    assert wallet.cards
    assert completed.state == process_pb2.PROCESS_STATE_COMPLETED
    assert again.state == process_pb2.PROCESS_STATE_INSTRUCTED
