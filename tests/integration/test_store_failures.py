"""A server whose store fails stops by itself; whoever starts it again recovers."""

import asyncio
from typing import Any, Never

import pytest

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
