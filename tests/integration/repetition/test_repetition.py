"""The same request again: the same answer to the last byte, and no second effect."""

import asyncio
from typing import Any

import pytest

from tallymark.v1 import identification_pb2
from tests.integration.repetition.other_bodies import OTHER_BODIES
from tests.world.calls import Call, changed_tables, everything_in, failure_of, journalled, send
from tests.world.contract import RPCS_WITH_REQUEST_ID, Rpc
from tests.world.messages import new_id
from tests.world.played import play
from tests.world.samples import SAMPLES
from tests.world.stage import Stage
from tests.world.world import World

ENROLMENTS = {"Enroll", "EnrollOperator"}
"""Their ids are the code's own: another code is another caller."""

WITH_PASSWORD = {"RegisterCustomer", "SignIn", "AddDevice", "ChangePassword", "IssueCode"}
"""Another body may be a guess at the password, so it is counted, and the request is burned."""

RPCS_WITH_BODY = [rpc for rpc in RPCS_WITH_REQUEST_ID if len(rpc.request_type.fields) > 1]
"""Of the others no two requests under one id differ."""


def fixed_part(rpc: Rpc, answer: Any) -> bytes:
    """Return what a repetition has in common: all of it, with two exceptions.

    A resolved process may go on, and a server that starts again may listen on other ports.
    """
    if rpc.name in ENROLMENTS:
        copy = type(answer)()
        copy.CopyFrom(answer)
        copy.ClearField("terminal_port" if rpc.name == "Enroll" else "operator_port")
        answer = copy
    if rpc.name == "ResolveCode":
        actions = answer.process.actions
        kept = [answer.process.process_id, *(one.action.WhichOneof("kind") for one in actions)]
        return "/".join(kept).encode()
    whole: bytes = answer.SerializeToString(deterministic=True)
    return whole


@pytest.mark.parametrize("rpc", RPCS_WITH_REQUEST_ID, ids=str)
async def test_the_same_request_again_has_the_same_answer_and_no_effect(
    in_memory: World, rpc: Rpc
) -> None:
    stage = await Stage.set_up(in_memory)
    played = await play(stage, rpc)
    await stage.world.settle()
    after_first = await everything_in(stage.world.store)

    second = await send(played.call)

    await stage.world.settle()
    assert fixed_part(rpc, second) == fixed_part(rpc, played.answer)
    assert await everything_in(stage.world.store) == after_first
    assert await journalled(stage.world.store, played.call.request.request_id) == 1


@pytest.mark.parametrize("rpc", RPCS_WITH_REQUEST_ID, ids=str)
async def test_the_same_request_four_times_at_once_has_one_effect(
    in_memory: World, rpc: Rpc
) -> None:
    stage = await Stage.set_up(in_memory)
    call = Call(stage.caller_of(rpc), rpc.name, await SAMPLES[rpc.path](stage))

    answers = await asyncio.gather(*(send(call) for _ in range(4)))

    assert len({fixed_part(rpc, answer) for answer in answers}) == 1
    assert await journalled(stage.world.store, call.request.request_id) == 1


@pytest.mark.parametrize("rpc", RPCS_WITH_REQUEST_ID, ids=str)
async def test_the_same_request_after_other_changes_has_the_same_answer(
    in_memory: World, rpc: Rpc
) -> None:
    stage = await Stage.set_up(in_memory)
    played = await play(stage, rpc)
    await _change_much(stage, played.answer)
    before = await everything_in(stage.world.store)

    second = await send(played.call)

    assert fixed_part(rpc, second) == fixed_part(rpc, played.answer)
    assert await everything_in(stage.world.store) == before


@pytest.mark.parametrize("rpc", RPCS_WITH_BODY, ids=str)
async def test_another_body_under_the_same_id_is_refused(in_memory: World, rpc: Rpc) -> None:
    stage = await Stage.set_up(in_memory)
    played = await play(stage, rpc)
    await stage.world.settle()
    before = await everything_in(stage.world.store)
    other = type(played.call.request)()
    other.CopyFrom(played.call.request)
    if rpc.name in ENROLMENTS:
        other.enrolment_code += "x"
    else:
        OTHER_BODIES[rpc.name](other)

    failure = await failure_of(Call(played.call.actor, rpc.name, other))

    if rpc.name in ENROLMENTS:
        assert failure.reason == "ENROLMENT_CODE_INVALID"
        return
    assert failure.reason == "REQUEST_ID_REUSED"
    changed = changed_tables(before, await everything_in(stage.world.store))
    assert changed == ({"requests", "password_tries"} if rpc.name in WITH_PASSWORD else set())


@pytest.mark.parametrize("rpc", RPCS_WITH_REQUEST_ID, ids=str)
async def test_an_id_in_capital_letters_is_the_same_id(in_memory: World, rpc: Rpc) -> None:
    played = await play(await Stage.set_up(in_memory), rpc)
    played.call.request.request_id = played.call.request.request_id.upper()

    second = await send(played.call)

    assert fixed_part(rpc, second) == fixed_part(rpc, played.answer)


async def test_two_customers_may_choose_the_same_id(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    request = (await play(stage, _rpc("RevokeCode"))).call.request
    await stage.bob.issue(identification_pb2.CODE_PURPOSE_POINTS)

    answer = await stage.bob.call("RevokeCode", request)

    assert answer.codes_revoked == 1


async def test_one_id_may_be_used_for_different_rpcs(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    request_id = new_id()

    for name in ("InviteDevice", "IssueCode", "RevokeCode"):
        request = await SAMPLES[f"CustomerService/{name}"](stage)
        request.request_id = request_id
        await send(Call(stage.ana, name, request))

    assert await journalled(stage.world.store, request_id) == 3


async def test_a_refusal_is_repeated_even_when_the_reason_for_it_is_gone(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    request = await SAMPLES["TerminalService/UpdatePoints"](stage)
    request.version += 1
    first = await failure_of(Call(stage.till, "UpdatePoints", request))
    await stage.operator.add_points(stage.ana, 5, "birthday")

    second = await failure_of(Call(stage.till, "UpdatePoints", request))

    assert first.reason == "POINTS_VERSION_CONFLICT"
    assert (second.trailing, second.message) == (first.trailing, first.message)


async def test_a_device_that_removed_itself_is_not_known_any_more(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    request = await SAMPLES["CustomerService/RemoveDevice"](stage)
    request.device_id = stage.ana.device_id
    await stage.ana.call("RemoveDevice", request)

    assert await stage.ana.reason("RemoveDevice", request) == "CREDENTIALS_INVALID"


async def _change_much(stage: Stage, answer: Any) -> None:
    """Change what the answer told of, and much else."""
    process = getattr(answer, "process", None)
    if process is not None and process.process_id:
        await stage.till.reverse(process.process_id)
    await stage.contested()
    await stage.operator.set_policy(code_life_seconds=7, session_life_seconds=3600)
    await stage.operator.add_points(stage.ana, 5, "birthday")
    await stage.ana.add_card()
    await play(stage, _rpc("InviteDevice"))
    await stage.world.pass_time(seconds=120)


def _rpc(name: str) -> Rpc:
    return next(rpc for rpc in RPCS_WITH_REQUEST_ID if rpc.name == name)
