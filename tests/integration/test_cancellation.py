"""Callers that go away in the middle of a call leave nothing half done."""

import asyncio
from collections import Counter

import pytest

from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import ListProcessesRequest, WatchProcessesRequest
from tallymark.v1.terminal_service_pb2 import CompleteProcessRequest
from tests.world.actions import ADMIT, burn, earn
from tests.world.actor import Actor
from tests.world.messages import by_process, new_id
from tests.world.shop import Shop

TRIES = 145
TURNS_MAX = 40
"""Of the loop that server and caller share; a call takes about as many."""


async def cut_off(actor: Actor, rpc: str, request: object, turns: int) -> str:
    """Make a call with a deadline of 1 ms, or hang up after some turns; return how it ended."""
    if not turns:
        ended = await asyncio.gather(
            actor.call(rpc, request, deadline=0.001), return_exceptions=True
        )
    else:
        call = asyncio.create_task(actor.call(rpc, request))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        ended = await asyncio.gather(call, return_exceptions=True)
    return type(ended[0]).__name__


@pytest.mark.parametrize("tallymark", ["sqlite"], indirect=True)
async def test_calls_cut_off_after_a_moment_are_done_wholly_or_not_at_all(
    kept_shop: Shop,
) -> None:
    till, phone = kept_shop.till, kept_shop.phone
    cut_off_calls: Counter[str] = Counter()

    for number in range(TRIES):
        turns = number % 2 * (number % TURNS_MAX)
        resolve = till.resolve_request(await phone.issue(), burn(3), earn(1))
        cut_off_calls[await cut_off(till, "ResolveCode", resolve, turns)] += 1
        process = (await till.call("ResolveCode", resolve)).process
        assert process.state == p.PROCESS_STATE_INSTRUCTED
        reference = by_process(process.process_id)
        complete = CompleteProcessRequest(request_id=new_id(), reference=reference)
        cut_off_calls[await cut_off(till, "CompleteProcess", complete, turns)] += 1
        await till.call("CompleteProcess", complete)

    print(f"{2 * TRIES} calls: {dict(cut_off_calls)}")  # noqa: T201 -- how often it was cut off
    account = (await phone.wallet()).points_accounts[0]
    listed = await phone.call("ListProcesses", ListProcessesRequest(page_size=200))
    assert cut_off_calls["UnknownOutcome"] > 0
    assert cut_off_calls["CancelledError"] > 0
    assert (account.balance, account.held) == (300 - 2 * TRIES, 0)
    assert len(listed.processes) == TRIES
    assert {process.state for process in listed.processes} == {p.PROCESS_STATE_COMPLETED}


@pytest.mark.parametrize("tallymark", ["sqlite"], indirect=True)
async def test_a_caller_that_hangs_up_while_waiting_stops_nothing(kept_shop: Shop) -> None:
    await kept_shop.world.operator.set_policy(confirm_points_from=0)
    request = kept_shop.till.resolve_request(
        await kept_shop.phone.issue(), burn(100), ADMIT, wait_milliseconds=30_000
    )
    call = asyncio.create_task(kept_shop.till.call("ResolveCode", request))
    watch = kept_shop.phone.watch("WatchProcesses", WatchProcessesRequest())
    told = (await watch.read()).process
    watch.cancel()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    confirmed = await kept_shop.phone.confirm(told.process_id)
    again = (await kept_shop.till.call("ResolveCode", request)).process

    assert confirmed.state == p.PROCESS_STATE_INSTRUCTED
    assert again.process_id == told.process_id
    assert again.state == p.PROCESS_STATE_INSTRUCTED
