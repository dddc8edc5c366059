"""A concentrator speaks for the terminals that were delegated to it, and for no other."""

import pytest

from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import process_pb2
from tallymark_server.services import open_streams
from tallymark_server.services.callers import Callers
from tests.doubles.mutant import Mutant, plant
from tests.integration.exchange.line import Line, opened, resolving
from tests.world.actions import charge, earn
from tests.world.stage import Stage
from tests.world.world import World

UNCHECKED = Mutant(
    Callers,
    "spoken_for",
    "terminal.concentrator_id != concentrator.caller_id",
    "terminal.merchant_id != concentrator.merchant_id",
)
"""A terminal speaks for all of its merchant."""

REMEMBERED = Mutant(Callers, "forget", "if key.table is Terminal:", "if False:")
"""Whom a terminal was delegated to once, it is for good."""


async def delegate(stage: Stage, terminal_id: str, concentrator_id: str) -> str:
    request = operator.DelegateTerminalRequest(
        terminal_id=terminal_id, concentrator_id=concentrator_id
    )
    return await stage.operator.reason("DelegateTerminal", request)


async def scan(stage: Stage, line: Line, terminal_id: str) -> str:
    """Scan for a terminal; return the terminal of the process, or the reason why there is none."""
    request = stage.till.resolve_request(await stage.ana.issue(), earn(1))
    (answer,) = await line.ask(*resolving([request], terminal_id=terminal_id))
    if answer.HasField("failure"):
        return answer.failure.reason
    return answer.resolve_code.process.terminal_id


async def _may_others_speak_for_it(stage: Stage) -> list[str]:
    """Let till-1 speak for itself, for till-2 which is not its own, and for a gate of the hall."""
    async with opened(stage.till) as line:
        return [await scan(stage, line, one) for one in ("", "till-1", "till-2", "gate-1")]


async def test_nobody_speaks_for_a_terminal_that_was_not_delegated(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await Stage.set_up(in_memory)
    refused = "TERMINAL_NOT_DELEGATED"

    assert await _may_others_speak_for_it(stage) == ["till-1", "till-1", refused, refused]

    plant(UNCHECKED, monkeypatch)
    assert await _may_others_speak_for_it(stage) == ["till-1", "till-1", "till-2", refused]


async def _through_a_change_of_mind(stage: Stage) -> list[str]:
    async with opened(stage.till) as line:
        came = []
        for concentrator_id in ("till-1", "", "till-1", "till-2"):
            assert await delegate(stage, "lane-1", concentrator_id) == "OK"
            came.append(await scan(stage, line, "lane-1"))
        return came


async def test_a_delegation_counts_at_once_and_ends_at_once(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await Stage.set_up(in_memory)
    await stage.new_enrolment_code("lane-1")  # a lane that never enrols
    refused = "TERMINAL_NOT_DELEGATED"

    assert await _through_a_change_of_mind(stage) == ["lane-1", refused, "lane-1", refused]

    plant(REMEMBERED, monkeypatch)
    assert await _through_a_change_of_mind(stage) == ["lane-1"] * 4


async def test_a_revoked_lane_is_spoken_for_no_more(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    await delegate(stage, "till-2", "till-1")

    async with opened(stage.till) as line:
        before = await scan(stage, line, "till-2")
        revoke = operator.RevokeTerminalRequest(terminal_id="till-2")
        await stage.operator.call("RevokeTerminal", revoke)
        after = await scan(stage, line, "till-2")

    assert (before, after) == ("till-2", "TERMINAL_NOT_DELEGATED")


async def test_a_terminal_of_another_merchant_is_no_concentrator(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)

    assert await delegate(stage, "till-2", "gate-1") == "TERMINAL_NOT_FOUND"
    assert await delegate(stage, "till-2", "nobody") == "TERMINAL_NOT_FOUND"
    assert await delegate(stage, "nobody", "till-1") == "TERMINAL_NOT_FOUND"


async def test_what_a_concentrator_sends_is_the_lane_s_own_request(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    await delegate(stage, "till-2", "till-1")
    request = stage.till.resolve_request(await stage.ana.issue(), earn(1))

    async with opened(stage.till) as line:
        (answer,) = await line.ask(*resolving([request], terminal_id="till-2"))
    by_lane = await stage.other_till.call("ResolveCode", request)
    by_concentrator = await stage.till.reason("ResolveCode", request)

    assert by_lane.process.process_id == answer.resolve_code.process.process_id
    assert by_concentrator == "CODE_ALREADY_CLAIMED"


async def test_a_lane_counts_as_new_from_its_delegation(in_memory: World) -> None:
    """It never enrolled, so that its age would be that of the world."""
    stage = await Stage.set_up(in_memory)
    await stage.operator.set_policy(new_terminal_days=7, new_terminal_count_max=0)
    await stage.new_enrolment_code("lane-1")
    await delegate(stage, "lane-1", "till-1")
    request = stage.till.resolve_request(await stage.ana.issue(), charge(100))

    async with opened(stage.till) as line:
        (answer,) = await line.ask(*resolving([request], terminal_id="lane-1"))

    awaiting = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
    assert answer.resolve_code.process.state == awaiting


async def test_a_revoked_concentrator_s_stream_ends(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_streams, "RECHECK_SECONDS", 0.02)
    stage = await Stage.set_up(in_memory)

    async with opened(stage.till) as line:
        assert await scan(stage, line, "") == "till-1"
        revoke = operator.RevokeTerminalRequest(terminal_id="till-1")
        await stage.operator.call("RevokeTerminal", revoke)
        assert await line.reason() == "CREDENTIALS_INVALID"
