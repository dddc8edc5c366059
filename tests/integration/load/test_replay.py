"""A recorded story of a shop is replayed on another server, and what differs is found."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tallymark.v1 import (
    customer_service_pb2,
    process_pb2,
    terminal_service_pb2,
)
from tallymark_load.replay import waiting
from tallymark_load.replay.pace import Pace
from tallymark_load.replay.played import NOT_SENT
from tallymark_load.replay.replaying import Replayed
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_server.keyring import Keyring
from tallymark_server.services import actions_out, processes_out
from tests.doubles.mutant import Mutant, plant
from tests.integration.load.replayed_shop import Shop, opened, recorded_shop, replayed
from tests.world.actions import ADMIT, burn, charge, earn
from tests.world.messages import by_process, by_request, new_id
from tests.world.phone import Phone
from tests.world.signed_requests import register_request, sign_in_request
from tests.world.stage import TO_BE_CONFIRMED

AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
INSTRUCTED = process_pb2.PROCESS_STATE_INSTRUCTED
CONTESTED = process_pb2.PROCESS_STATE_CONTESTED


async def tell_the_story(shop: Shop) -> None:
    """Play a bit of everything: sales, a yes, a no, refusals, repetitions, streams."""
    stage = shop.stage
    ana, bob, till, gate = stage.ana, stage.bob, stage.till, stage.gate
    watching = ana.watch("WatchProcesses", customer_service_pb2.WatchProcessesRequest())
    await sell(shop, earn(5), charge(420))
    await sell(shop, burn(100), charge(300))
    await confirm(shop, watching)
    await contest(shop, watching)

    declined = await till.resolve(await ana.issue(), burn(100_000))
    assert declined.state == process_pb2.PROCESS_STATE_DECLINED
    admitted = await till.resolve(await bob.issue(), ADMIT, complete_on_instruction=True)
    assert admitted.state == process_pb2.PROCESS_STATE_COMPLETED
    again = await till.resolve(await bob.issue(), ADMIT, complete_on_instruction=True)
    assert again.state == process_pb2.PROCESS_STATE_DECLINED

    request = till.resolve_request("TM1:0000000000", earn(1))
    assert await till.reason("ResolveCode", request) == "CODE_MALFORMED"
    assert await till.reason("CompleteProcess", unknown_process()) == "PROCESS_NOT_FOUND"
    await repeat(shop)
    await exchange(shop)
    await register(shop)
    signed_in = await ana.call("SignIn", sign_in_request(ana))
    ana.secret = signed_in.session_token
    await ana.wallet()
    await ana.processes()
    await gate.call("ListVerificationKeys", terminal_service_pb2.ListVerificationKeysRequest())
    watching.cancel()
    await asyncio.gather(watching.code(), return_exceptions=True)


async def sell(shop: Shop, *actions: Any) -> None:
    ana, till = shop.stage.ana, shop.stage.till
    code = await ana.issue()
    request = till.resolve_request(code, *actions)
    process = (await till.call("ResolveCode", request)).process
    reference = by_request(code, request.request_id)
    await till.call("GetProcess", terminal_service_pb2.GetProcessRequest(reference=reference))
    await till.complete(process.process_id)
    await ana.call(
        "GetReceipt", customer_service_pb2.GetReceiptRequest(process_id=process.process_id)
    )
    await till.reverse(process.process_id, note="goods returned")
    await shop.stage.world.settle()


async def confirm(shop: Shop, watching: Any) -> None:
    ana, till = shop.stage.ana, shop.stage.till
    process = await till.resolve(await ana.issue(), charge(TO_BE_CONFIRMED), wait_milliseconds=1)
    shown = await shop.shown(watching, process.process_id, AWAITING)
    await answer(shop, shown, approve=True)
    await shop.shown(watching, process.process_id, INSTRUCTED)
    assert (await till.get(process.process_id)).state == INSTRUCTED
    await till.complete(process.process_id)


async def contest(shop: Shop, watching: Any) -> None:
    stage = shop.stage
    code = await stage.ana.issue()
    process = await stage.till.resolve(code, charge(420))
    second = stage.other_till.resolve_request(code, charge(420))
    assert await stage.other_till.reason("ResolveCode", second) == "CODE_ALREADY_CLAIMED"
    shown = await shop.shown(watching, process.process_id, CONTESTED)
    await answer(shop, shown, approve=False)
    assert await stage.till.reason("CompleteProcess", complete(process)) != "OK"


async def answer(shop: Shop, shown: process_pb2.Process, *, approve: bool) -> None:
    contract = customer_service_pb2
    ana = shop.stage.ana
    request = contract.ConfirmProcessRequest(
        request_id=new_id(),
        process_id=shown.process_id,
        decision=contract.DECISION_APPROVE if approve else contract.DECISION_DECLINE,
        signature=ana.signature(shown, approve=approve),
    )
    await ana.call("ConfirmProcess", request)


async def repeat(shop: Shop) -> None:
    """Send one request twice, and another body under its id."""
    ana, till = shop.stage.ana, shop.stage.till
    request = till.resolve_request(await ana.issue(), earn(7))
    first = (await till.call("ResolveCode", request)).process
    second = (await till.call("ResolveCode", request)).process
    assert first.process_id == second.process_id
    request.actions[0].earn_points.points = 8
    assert await till.reason("ResolveCode", request) == "REQUEST_ID_REUSED"
    update = terminal_service_pb2.UpdatePointsRequest(
        request_id=new_id(),
        reference=by_process(first.process_id),
        version=first.actions[0].instruction.earn_points.version,
        new_balance=123,
    )
    await till.call("UpdatePoints", update)
    await till.complete(first.process_id)


async def register(shop: Shop) -> None:
    """Let somebody register whom no cast knows, with another device, and sign in again."""
    eve = Phone(shop.stage.ana.stub)
    eve.device_key, eve.login_name = DevicePrivateKey.generate(), "eve"
    answer = await eve.call("RegisterCustomer", register_request("eve", eve.device_key))
    eve.secret, eve.device_id = answer.session_token, answer.device_id
    await eve.add_card()
    await shop.stage.till.resolve(await eve.issue(), charge(100))
    await shop.stage.world.add_device(eve)
    eve.secret = (await Phone(eve.stub).call("SignIn", sign_in_request(eve))).session_token
    await eve.wallet()


async def exchange(shop: Shop) -> None:
    """Sell by the stream of commands."""
    ana, till = shop.stage.ana, shop.stage.till
    contract = terminal_service_pb2
    stream = till.stub.Exchange(metadata=till.metadata)
    scan = till.resolve_request(await ana.issue(), earn(3))
    refused = till.resolve_request("TM1:0000000000", earn(3))
    batch = [
        contract.ExchangeCommand(correlation=1, resolve_code=scan),
        contract.ExchangeCommand(correlation=2, resolve_code=refused),
    ]
    await stream.write(contract.ExchangeRequest(commands=batch))
    answers = await answers_of(stream, 2)
    done = complete(answers[1].resolve_code.process)
    last = contract.ExchangeCommand(correlation=3, complete_process=done)
    await stream.write(contract.ExchangeRequest(commands=[last]))
    assert (await answers_of(stream, 1))[3].complete_process.receipt.receipt_number
    await stream.done_writing()
    await stream.code()


async def answers_of(stream: Any, count: int) -> dict[int, Any]:
    found: dict[int, Any] = {}
    while len(found) < count:
        found |= {one.correlation: one for one in (await stream.read()).answers}
    return found


def complete(process: process_pb2.Process) -> Any:
    return terminal_service_pb2.CompleteProcessRequest(
        request_id=new_id(), reference=by_process(process.process_id)
    )


def unknown_process() -> Any:
    return complete(process_pb2.Process(process_id="00" + "0" * 32))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, keyring: Keyring) -> Path:
    """Return the recording of the story, told once."""
    path: Path = tmp_path_factory.mktemp("story") / "story.binlog"

    async def tell() -> None:
        async with recorded_shop(keyring, path) as shop:
            await tell_the_story(shop)

    asyncio.run(tell())
    return path


TOO_FAST = Pace(speed=1_000_000)
"""Faster than any server answers: nothing is on time, and each caller keeps its order."""


def told(came: Replayed) -> str:
    """Return what differs without explanation, for whoever reads the failed test."""
    return "\n".join(str(group) for group in came.differences.groups() if not group["explained"])


PACES = [Pace(speed=1), Pace(speed=10), TOO_FAST, Pace.flat_out()]


@pytest.mark.parametrize("pace", PACES, ids=str)
async def test_a_story_replays_on_a_fresh_server_without_a_difference(
    pace: Pace, recording: Path, keyring: Keyring
) -> None:
    async with opened(keyring) as shop:
        came = await replayed(recording, shop, pace)

    assert came.differences.unexplained == 0, told(came)
    assert came.kinds["bidirectional"] == 1
    assert came.kinds["server streaming"] == 1
    assert came.kinds["unary"] > 30
    assert came.measurements.in_flight == 0
    assert came.measurements.errors == 0


async def test_a_value_is_waited_for_as_long_as_the_call_takes_that_tells_it(
    recording: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that cannot keep pace a call may be minutes late; only streams have a limit."""
    monkeypatch.setattr(waiting, "_VALUE_SECONDS", 0.0)
    async with opened(keyring) as shop:
        came = await replayed(recording, shop, Pace.flat_out())

    told_by_calls = [one for one in came.differences.found if "told its code" in one.replayed]
    assert not told_by_calls


BUGS = {
    "an entry too many": (
        Mutant(actions_out, "_instruction_message", "=granted.entries_left", "=1"),
        "process.actions[0].instruction.admit.entries_left",
    ),
    "another state": (
        Mutant(
            processes_out,
            "process_message",
            "state=number_in_contract(process.state)",
            "state=number_in_contract(process.state) if process.refusal is None else 9",
        ),
        "process.state",
    ),
}


@pytest.mark.parametrize("bug", BUGS)
async def test_a_planted_difference_is_found_and_told_with_its_field(
    bug: str, recording: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant, path = BUGS[bug]
    async with opened(keyring) as shop:
        plant(mutant, monkeypatch)
        came = await replayed(recording, shop, Pace.flat_out())

    assert not came.is_as_recorded
    group = next(one for one in came.differences.groups() if one["field"] == path)
    assert group["method"] == "/tallymark.v1.TerminalService/ResolveCode"
    assert group["explained"] == ""


async def test_a_call_whose_value_no_answer_told_is_reported_and_not_sent(
    recording: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(keyring) as shop:
        monkeypatch.setattr(shop.cast, "customers", {"ana": shop.cast.customers["ana"]})
        came = await replayed(recording, shop, Pace.flat_out())

    fields = [one for one in came.differences.found if NOT_SENT in one.replayed]
    assert {one.method for one in fields} == {"/tallymark.v1.TerminalService/ResolveCode"}
    assert all("code" in one.replayed for one in fields)
    assert not any(one.explained for one in fields)
