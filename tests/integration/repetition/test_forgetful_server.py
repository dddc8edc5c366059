"""The checks of repetition fail when the server forgets what it answered."""

import grpc
import pytest

from tallymark_server.domain import decide
from tests.integration.repetition.test_repetition import fixed_part
from tests.world.calls import everything_in, send
from tests.world.contract import RPCS_WITH_REQUEST_ID, Rpc
from tests.world.played import Played, play
from tests.world.stage import Stage
from tests.world.world import World

NEED_MEMORY = [rpc for rpc in RPCS_WITH_REQUEST_ID if rpc.name != "ReverseProcess"]
"""A process tells by whom it was reversed, so even a forgetful server reverses once."""


async def repeats_well(stage: Stage, rpc: Rpc, played: Played) -> bool:
    """Say whether a second sending is answered like the first and changes nothing."""
    await stage.world.settle()
    after_first = await everything_in(stage.world.store)
    try:
        second = await send(played.call)
    except grpc.aio.AioRpcError:
        return False
    is_same = fixed_part(rpc, second) == fixed_part(rpc, played.answer)
    return is_same and await everything_in(stage.world.store) == after_first


@pytest.mark.parametrize("rpc", NEED_MEMORY, ids=str)
async def test_a_forgetful_server_is_found(
    in_memory: World, monkeypatch: pytest.MonkeyPatch, rpc: Rpc
) -> None:
    stage = await Stage.set_up(in_memory)
    played = await play(stage, rpc)
    assert await repeats_well(stage, rpc, played)

    monkeypatch.setattr(decide, "_earlier_answer", lambda *_: None)

    assert not await repeats_well(stage, rpc, played)
