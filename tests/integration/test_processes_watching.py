"""Phones and terminals hear of every change as soon as it is decided, and miss none."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from tallymark.v1 import process_pb2 as p
from tallymark.v1.customer_service_pb2 import (
    RemoveDeviceRequest,
    WatchProcessesRequest,
    WatchProcessesResponse,
)
from tallymark.v1.terminal_service_pb2 import WatchProcessRequest
from tallymark_protocol.errors import from_call
from tallymark_server.domain.state import Key, Rows
from tallymark_server.services import customer
from tests.world.actions import READ_POINTS, burn, charge, earn
from tests.world.messages import by_process, new_id
from tests.world.phone import Phone
from tests.world.shop import Shop

TOLD_WITHIN_SECONDS = 1.0

SILENT_AMOUNT = 7_791
"""Minor units about which the institution says nothing at first."""


async def news_of(phone: Phone, *, after: int = 0) -> AsyncGenerator[WatchProcessesResponse, None]:
    call = phone.watch("WatchProcesses", WatchProcessesRequest(after_event=after))
    try:
        async for news in call:
            yield news
    finally:
        call.cancel()


async def test_the_phone_is_told_within_a_second(kept_shop: Shop) -> None:
    await kept_shop.world.operator.set_policy(confirm_money_from=0)
    slowest = 0.0
    async with aclosing(news_of(kept_shop.phone)) as news:
        for _ in range(10):
            code = await kept_shop.phone.issue()
            request = kept_shop.till.resolve_request(code, charge(500), wait_milliseconds=30_000)
            began = time.monotonic()
            scan = asyncio.create_task(kept_shop.till.call("ResolveCode", request))
            told = await anext(news)
            slowest = max(slowest, time.monotonic() - began)
            await kept_shop.phone.confirm(told.process.process_id)
            while told.process.state != p.PROCESS_STATE_INSTRUCTED:
                told = await anext(news)
            assert (await scan).process.state == p.PROCESS_STATE_INSTRUCTED

    assert slowest < TOLD_WITHIN_SECONDS


async def test_the_phone_is_told_of_a_claim_though_nobody_asks_it(kept_shop: Shop) -> None:
    """It arrives with the decision: no clock moves, and the bank's silence goes on."""
    async with aclosing(news_of(kept_shop.phone)) as news:
        process = await kept_shop.scan(charge(SILENT_AMOUNT), wait_milliseconds=1)
        told = (await anext(news)).process

    assert told.state == process.state == p.PROCESS_STATE_AUTHORISING
    assert told.process_id == process.process_id
    assert (told.merchant_name, told.terminal_id) == ("Cafe", "till-1")
    assert told.card_total.minor_units == SILENT_AMOUNT
    assert told.created_at.ToMilliseconds() == kept_shop.world.clock.now()


async def test_the_phone_hears_every_state_in_the_order_of_its_own_count(shop: Shop) -> None:
    async with aclosing(news_of(shop.phone)) as news:
        process = await shop.scan(earn(5))
        first = await anext(news)
        await shop.till.complete(process.process_id)
        second = await anext(news)
        await shop.till.reverse(process.process_id)
        last = [await anext(news), await anext(news)]

    assert first.process.state == p.PROCESS_STATE_INSTRUCTED
    assert second.process.state == p.PROCESS_STATE_COMPLETED
    assert [each.event for each in (first, second, *last)] == [1, 2, 3, 4]
    assert last[0].process.reverses_process_id == process.process_id
    assert last[1].process.reversed_by_process_id == last[0].process.process_id


async def test_a_phone_that_was_away_resumes_after_the_event_it_knows(kept_shop: Shop) -> None:
    known = await kept_shop.scan(earn(1))
    async with aclosing(news_of(kept_shop.phone)) as news:
        seen = await anext(news)
    missed = [(await kept_shop.scan(earn(1))).process_id for _ in range(3)]

    async with aclosing(news_of(kept_shop.phone, after=seen.event)) as news:
        told = [(await anext(news)).process.process_id for _ in range(3)]
        await kept_shop.till.complete(known.process_id)
        newest = await anext(news)

    assert told == missed
    assert newest.process.process_id == known.process_id
    assert newest.event == 5


async def test_a_process_that_begins_while_the_missed_ones_are_read_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await shop.scan(earn(1))
    store = shop.world.store
    begun: list[str] = []
    load = store.load

    async def load_late(keys: Iterable[Key[Any]]) -> Rows:
        keys = list(keys)
        if not begun and any(key.text == old.process_id for key in keys):  # the index was read
            begun.append("")
            begun[0] = (await shop.scan(earn(2))).process_id
            await shop.till.complete(old.process_id)
        return await load(keys)

    monkeypatch.setattr(store, "load", load_late)
    async with aclosing(news_of(shop.phone)) as news:
        told = [(await anext(news)) for _ in range(2)]

    assert [each.event for each in told] == [2, 3]
    assert [each.process.process_id for each in told] == [begun[0], old.process_id]


async def test_a_phone_that_knows_more_than_a_restored_server_is_told_all_the_same(
    shop: Shop,
) -> None:
    async with aclosing(news_of(shop.phone, after=1_000)) as news:
        process = await shop.scan(earn(1))
        told = await anext(news)

    assert (told.event, told.process.process_id) == (1, process.process_id)


async def test_a_removed_phone_hears_nothing_more(shop: Shop) -> None:
    lost = await shop.world.add_device(shop.phone)
    remove = RemoveDeviceRequest(request_id=new_id(), device_id=lost.device_id)
    await shop.scan(earn(1))
    async with aclosing(news_of(lost)) as news:
        await anext(news)
        await shop.phone.call("RemoveDevice", remove)
        await shop.scan(earn(2))

        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await anext(news)

    assert from_call(ended.value).reason == "CREDENTIALS_INVALID"


async def test_after_0_a_phone_gets_the_newest_state_of_everything(shop: Shop) -> None:
    process = await shop.scan(earn(1))
    await shop.till.complete(process.process_id)

    async with aclosing(news_of(shop.phone)) as news:
        told = await anext(news)

    assert told.event == 2
    assert told.process.state == p.PROCESS_STATE_COMPLETED


async def test_a_quiet_stream_carries_signs_of_life(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer, "LIFE_SIGN_SECONDS", 0.02)
    await shop.scan(earn(1))

    async with aclosing(news_of(shop.phone)) as news:
        await anext(news)
        sign = await anext(news)

    assert sign.event == 1
    assert not sign.HasField("process")


async def test_a_phone_hears_nothing_of_another_customer(shop: Shop) -> None:
    ben = await shop.world.add_phone("ben")
    async with aclosing(news_of(ben)) as news:
        await shop.scan(earn(1))
        await shop.till.resolve(await ben.issue(), READ_POINTS)
        told = await anext(news)

    assert told.event == 1
    assert told.process.actions[0].action.WhichOneof("kind") == "read_points"


async def test_the_terminals_stream_ends_after_the_final_state(kept_shop: Shop) -> None:
    process = await kept_shop.scan(burn(100))
    states = kept_shop.states(process.process_id)
    seen = [await anext(states)]
    await kept_shop.till.complete(process.process_id)
    seen += [state async for state in states]

    assert [state.state for state in seen] == [
        p.PROCESS_STATE_INSTRUCTED,
        p.PROCESS_STATE_COMPLETED,
    ]


async def test_a_stream_about_an_ended_process_tells_its_state_and_ends(shop: Shop) -> None:
    process = await shop.scan(burn(301))

    seen = [state.state async for state in shop.states(process.process_id)]

    assert seen == [p.PROCESS_STATE_DECLINED]


async def test_a_terminal_watches_its_own_processes_only(shop: Shop) -> None:
    process = await shop.scan(burn(100))
    neighbour = await shop.world.add_terminal("till-2")
    request = WatchProcessRequest(reference=by_process(process.process_id))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(neighbour.watch("WatchProcess", request)))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_resolve_code_answers_when_the_customer_has(shop: Shop) -> None:
    await shop.world.operator.set_policy(confirm_points_from=0)
    request = shop.till.resolve_request(
        await shop.phone.issue(), burn(100), wait_milliseconds=30_000, request_id=new_id()
    )
    async with aclosing(news_of(shop.phone)) as news:
        scan = asyncio.create_task(shop.till.call("ResolveCode", request))
        told = await anext(news)
        is_waiting = not scan.done()
        await shop.phone.confirm(told.process.process_id, approve=False)

    assert is_waiting
    assert (await scan).process.state == p.PROCESS_STATE_DECLINED
