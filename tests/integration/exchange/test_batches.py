"""A batch of commands over one stream: each is answered by itself, as by a call of its own."""

import pytest

from tallymark.v1 import process_pb2
from tallymark.v1 import terminal_service_pb2 as contract
from tallymark.v1.terminal_service_pb2 import ExchangeCommand
from tallymark_protocol.command_failures import from_failure
from tallymark_protocol.errors import NotDone, Refused
from tallymark_server.lanes import lane
from tests.integration.exchange.line import opened, resolving
from tests.world.actions import READ_POINTS, charge, earn
from tests.world.messages import by_process, new_id
from tests.world.shop import Shop
from tests.world.stage import ANAS_NUMBER, TO_BE_CONFIRMED, Stage
from tests.world.world import World


async def test_every_command_is_answered_like_its_call(kept_shop: Shop) -> None:
    till = kept_shop.till
    process = await kept_shop.scan(READ_POINTS)
    points = process.actions[0].instruction.read_points
    doomed = await kept_shop.scan(earn(1))
    scan = till.resolve_request(await kept_shop.phone.issue(), earn(3))
    reference = by_process(process.process_id)
    update = contract.UpdatePointsRequest(
        request_id=new_id(), reference=reference, version=points.version, new_balance=310
    )
    complete = contract.CompleteProcessRequest(request_id=new_id(), reference=reference)
    reverse = contract.ReverseProcessRequest(
        request_id=new_id(), reference=by_process(doomed.process_id)
    )

    async with opened(till) as line:
        (updated,) = await line.ask(ExchangeCommand(correlation=1, update_points=update))
        completed, reversed_, resolved, known = await line.ask(
            ExchangeCommand(correlation=2, complete_process=complete),
            ExchangeCommand(correlation=3, reverse_process=reverse),
            ExchangeCommand(correlation=4, resolve_code=scan),
            ExchangeCommand(
                correlation=5, get_process=contract.GetProcessRequest(reference=reference)
            ),
        )

    assert updated.update_points == await till.call("UpdatePoints", update)
    assert completed.complete_process == await till.call("CompleteProcess", complete)
    assert reversed_.reverse_process == await till.call("ReverseProcess", reverse)
    assert resolved.resolve_code == await till.call("ResolveCode", scan)
    assert known.get_process.process.process_id == process.process_id
    assert await kept_shop.phone.points() == 310


async def test_what_is_wrong_with_one_command_is_told_of_that_one(shop: Shop) -> None:
    good = shop.till.resolve_request(await shop.phone.issue(), earn(1))
    used = shop.till.resolve_request(good.identification.code, earn(1))
    broken = contract.ResolveCodeRequest(request_id="not an id")
    forged = shop.till.resolve_request("TM1:NO CODE AT ALL", earn(1))
    nothing = ExchangeCommand(correlation=9)

    async with opened(shop.till) as line:
        (first,) = await line.ask(*resolving([good]))
        *failed, empty = await line.ask(*resolving([used, broken, forged], first=6), nothing)

    assert first.resolve_code.process.state == process_pb2.PROCESS_STATE_INSTRUCTED
    errors = [from_failure(answer.failure) for answer in failed]
    assert [error.reason for error in errors] == [
        "CODE_ALREADY_CLAIMED",
        "REQUEST_INVALID",
        "CODE_MALFORMED",
    ]
    assert {field for field, _ in errors[1].violations} >= {
        "commands[1].resolve_code.request_id",
        "commands[1].resolve_code.identification",
    }
    assert from_failure(empty.failure).violations[0][0] == "commands[3].command"


async def test_what_is_no_batch_ends_the_stream_after_what_was_sent_before(shop: Shop) -> None:
    good = shop.till.resolve_request(await shop.phone.issue(), earn(1))

    async with opened(shop.till) as line:
        await line.send(*resolving([good]))
        await line.send()
        (answer,) = await line.receive(1)
        reason = await line.reason()

    assert answer.resolve_code.process.state == process_pb2.PROCESS_STATE_INSTRUCTED
    assert reason == "REQUEST_INVALID"


async def test_the_same_command_again_has_the_same_answer_by_stream_and_by_call(
    kept_shop: Shop,
) -> None:
    scan = kept_shop.till.resolve_request(await kept_shop.phone.issue(), earn(3))

    async with opened(kept_shop.till) as line:
        twice = await line.ask(*resolving([scan, scan]))
        (third,) = await line.ask(*resolving([scan]))
    by_call = await kept_shop.till.call("ResolveCode", scan)

    assert {one.resolve_code.process.process_id for one in (*twice, third)} == {
        by_call.process.process_id
    }


async def test_later_states_of_what_is_undecided_follow(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    asked = stage.till.resolve_request(await stage.ana.issue(), charge(TO_BE_CONFIRMED))
    plain = stage.till.resolve_request(await stage.bob.issue(), earn(1))

    async with opened(stage.till) as line:
        asking, instructed = await line.ask(*resolving([asked, plain]))
        await stage.ana.confirm(asking.resolve_code.process.process_id)
        states = [(await line.receive(1))[0]]
        while states[-1].more:
            states += await line.receive(1)
        rest = await line.end()

    assert (asking.more, instructed.more, rest) == (True, False, [])
    assert asking.resolve_code.process.state == process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
    assert {state.correlation for state in states} == {asking.correlation}
    assert states[-1].resolve_code.process.state == process_pb2.PROCESS_STATE_INSTRUCTED


async def test_a_telephone_number_holds_up_nobody_and_tells_nothing(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    await stage.verify_number(stage.ana, ANAS_NUMBER)
    numbers = [
        contract.ResolveCodeRequest(request_id=new_id(), actions=[earn(1)]) for _ in range(2)
    ]
    for request, number in zip(numbers, (ANAS_NUMBER, "+4930999999"), strict=True):
        request.identification.telephone_number = number
    plain = stage.till.resolve_request(await stage.bob.issue(), earn(1))

    async with opened(stage.till) as line:
        await line.send(*resolving([*numbers, plain]))
        (first,) = await line.receive(1)
        asked = await line.receive(2)

    assert first.correlation == 2
    assert all(answer.more for answer in asked)
    awaiting = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
    assert [answer.resolve_code.process.state for answer in asked] == [awaiting] * 2


async def test_answers_carry_the_newest_checkpoint_and_its_witness(shop: Shop) -> None:
    scan = shop.till.resolve_request(await shop.phone.issue(), earn(3))

    async with opened(shop.till) as line:
        await line.ask(*resolving([scan]))

    (response,) = line.responses
    head = await shop.world.app.lane.journal_head(0)
    assert response.checkpoint.split(":")[2] == str(head.sequence)
    assert response.witness


async def test_commands_that_a_full_lane_sends_away_are_told_so_one_by_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = shop.till.resolve_request(await shop.phone.issue(), earn(3))

    async with opened(shop.till) as line:
        with monkeypatch.context() as while_full:
            while_full.setattr(lane, "QUEUE_MAX", 0)
            (sent_away,) = await line.ask(*resolving([scan]))
        (answer,) = await line.ask(*resolving([scan]))

    error = from_failure(sent_away.failure)
    assert isinstance(error, NotDone)
    assert not isinstance(error, Refused)
    assert error.retry_after_seconds > 0
    assert answer.resolve_code.process.state == process_pb2.PROCESS_STATE_INSTRUCTED
