"""An operator repeats any changing call as it is: it changes nothing the second time."""

import pytest

from tallymark.v1 import operator_service_pb2
from tests.world.calls import everything_in, send
from tests.world.contract import RPCS, Rpc
from tests.world.played import play
from tests.world.stage import Stage
from tests.world.world import World

ADDING = {"AddBills", "AddTickets", "AddPoints"}

CHANGING = [
    rpc
    for rpc in RPCS
    if rpc.caller == "operator"
    and rpc.name.startswith(("Create", "Add", "Set", "Settle", "Revoke", "Delegate"))
]


@pytest.mark.parametrize("rpc", CHANGING, ids=str)
async def test_an_operator_s_call_again_changes_nothing(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    played = await play(stage, rpc)
    await stage.world.settle()
    before = await everything_in(stage.world.store)

    again = await send(played.call)

    await stage.world.settle()
    assert await everything_in(stage.world.store) == before
    if rpc.name in ADDING:
        assert _results(played.answer) == [operator_service_pb2.ROW_RESULT_ADDED]
        assert _results(again) == [operator_service_pb2.ROW_RESULT_UNCHANGED]
    elif rpc.name == "SettleProcess":  # the institution has heard of it since
        assert again.process.state == played.answer.process.state
        assert again.process.ended_at == played.answer.process.ended_at
    else:
        assert again == played.answer


def _results(
    answer: operator_service_pb2.AddBillsResponse,
) -> list[operator_service_pb2.RowResult.ValueType]:
    return [outcome.result for outcome in answer.outcomes]
