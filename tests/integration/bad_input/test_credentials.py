"""Without credentials, with unknown ones or with another kind's, no RPC does anything."""

import pytest

from tests.world.calls import Call, everything_in, failure_of, send
from tests.world.contract import RPCS, Rpc
from tests.world.contract_comments import promised_reasons
from tests.world.samples import SAMPLES
from tests.world.stage import Stage
from tests.world.world import Actor, World

CLOSED = [rpc for rpc in RPCS if rpc.needs_credentials]
OPEN = [rpc for rpc in RPCS if not rpc.needs_credentials]

LABELS = {"customer": "tms", "terminal": "tmt", "operator": "tmo"}

NOT_PRESENTED = ("", "Bearer", "Bearer ", "Basic YW5hOnNlY3JldA==", "tms_abc")


@pytest.mark.parametrize("rpc", CLOSED, ids=str)
async def test_only_the_right_kind_of_caller_is_let_in(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.caller_of(rpc), rpc.name, await SAMPLES[rpc.path](stage))
    await stage.world.settle()
    before = await everything_in(stage.world.store)

    missing = await failure_of(call, secret="")
    unknown = await failure_of(call, secret=f"{LABELS[rpc.caller]}_{'A' * 43}")
    others = [
        await failure_of(call, secret=actor.secret)
        for kind, actor in _actors(stage).items()
        if kind != rpc.caller
    ]

    assert missing.reason == "CREDENTIALS_MISSING"
    assert unknown.reason == "CREDENTIALS_INVALID"
    assert [failure.reason for failure in others] == ["CALLER_NOT_ALLOWED"] * 2
    assert {failure.error.metadata["needed"] for failure in others} == {rpc.caller}
    assert await everything_in(stage.world.store) == before
    assert promised_reasons(rpc) >= {
        "CREDENTIALS_MISSING",
        "CREDENTIALS_INVALID",
        "CALLER_NOT_ALLOWED",
    }
    await send(call)  # and the right one is let in


@pytest.mark.parametrize("rpc", OPEN, ids=str)
async def test_a_first_call_needs_no_credentials(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.caller_of(rpc), rpc.name, await SAMPLES[rpc.path](stage))

    await send(call, secret="")


@pytest.mark.parametrize("authorization", NOT_PRESENTED)
async def test_metadata_of_another_form_presents_nothing(
    in_memory: World, authorization: str
) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.ana, "GetWallet", await SAMPLES["CustomerService/GetWallet"](stage))

    failure = await failure_of(call, authorization=authorization)

    assert failure.reason == "CREDENTIALS_MISSING"


async def test_an_enrolment_code_is_no_secret_to_call_with(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.till, "GetProcess", await SAMPLES["TerminalService/GetProcess"](stage))

    failure = await failure_of(call, secret=await stage.new_enrolment_code("till-3"))

    assert failure.reason == "CREDENTIALS_INVALID"


def _actors(stage: Stage) -> dict[str, Actor]:
    return {"customer": stage.ana, "terminal": stage.till, "operator": stage.operator}
