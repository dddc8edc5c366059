"""How often, how much, and on how many streams anybody may call."""

import asyncio
from typing import Any

import grpc
import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import NotDone
from tallymark_server.keyring import Keyring
from tallymark_server.limits import (
    FORGED_CODE_CALLS,
    OPERATOR_REQUEST_BYTES_MAX,
    PUBLIC_REQUEST_BYTES_MAX,
    TERMINAL_REQUEST_BYTES_MAX,
    UNSAFE_WIDE_FOR_TESTS,
    Rate,
)
from tallymark_server.storage.memory import MemoryStore
from tests.world.actions import earn
from tests.world.actor import Actor
from tests.world.calls import Call, failure_of, rows_in
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.signed_requests import register_request
from tests.world.stage import Stage
from tests.world.world import World

SLOW = Rate(per_second=2, burst=5)


async def ok_of(actor: Actor, rpc: str, request: object, calls: int) -> int:
    """Return how many of so many calls are let in; the others have to be RATE_LIMITED."""
    reasons = [await actor.reason(rpc, request) for _ in range(calls)]
    assert set(reasons) <= {"OK", "RATE_LIMITED"}
    return reasons.count("OK")


async def test_a_customer_s_calls_are_limited_and_let_in_again_with_time(keyring: Keyring) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(customer=SLOW)
    async with world(MemoryStore(), keyring, limits=limits) as served:
        ana, bob = await served.add_phone(), await served.add_phone("bob")
        request = customer.GetWalletRequest()

        at_once = await ok_of(ana, "GetWallet", request, 20)
        served.clock.move(seconds=1)
        later = await ok_of(ana, "GetWallet", request, 20)

        assert (at_once, later) == (5, 2)
        assert await ok_of(bob, "GetWallet", request, 5) == 5, "each has an own bucket"


async def test_all_devices_of_a_customer_share_one_bucket(keyring: Keyring) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(customer=SLOW)
    async with world(MemoryStore(), keyring, limits=limits) as served:
        ana = await served.add_phone()
        other = await served.add_device(ana)
        served.clock.move(seconds=10)

        assert await ok_of(ana, "GetWallet", customer.GetWalletRequest(), 20) == 5
        assert await ok_of(other, "GetWallet", customer.GetWalletRequest(), 20) == 0


async def test_a_terminal_s_calls_are_limited_and_operators_are_not(keyring: Keyring) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(terminal=SLOW)
    async with world(MemoryStore(), keyring, limits=limits) as served:
        till = await served.add_terminal()

        keys = terminal.ListVerificationKeysRequest()
        assert await ok_of(till, "ListVerificationKeys", keys, 20) == 5
        assert await ok_of(served.operator, "GetPolicy", operator.GetPolicyRequest(), 20) == 20


async def test_a_terminal_that_sends_codes_that_nobody_issued_is_turned_away_soon(
    keyring: Keyring,
) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(terminal=Rate(per_second=100, burst=200))
    async with world(MemoryStore(), keyring, limits=limits) as served:
        rogue, honest = await served.add_terminal("rogue"), await served.add_terminal("till-1")
        served.clock.move(seconds=10)
        reasons = [
            await rogue.reason("ResolveCode", rogue.resolve_request("TM1:FORGED", earn(1)))
            for _ in range(20)
        ]
        served.clock.move(seconds=2 * FORGED_CODE_CALLS / 100)

        assert reasons == ["CODE_MALFORMED"] * 4 + ["RATE_LIMITED"] * 16
        assert await ok_of(rogue, "GetTag", terminal.GetTagRequest(), 1) == 1
        assert await ok_of(honest, "GetTag", terminal.GetTagRequest(), 50) == 50


async def test_a_limited_call_says_when_to_come_back_and_was_not_looked_at(
    keyring: Keyring,
) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(customer=Rate(per_second=0.5, burst=1))
    async with world(MemoryStore(), keyring, limits=limits) as served:
        ana = await served.add_phone()
        await ana.wallet()
        before = await rows_in(served.store)

        failure = await failure_of(Call(ana, "IssueCode", customer.IssueCodeRequest()))

        assert failure.reason == "RATE_LIMITED", "not REQUEST_INVALID, which takes a look"
        assert failure.status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert failure.trailing["grpc-retry-pushback-ms"] == "2000"
        assert isinstance(failure.error, NotDone)
        assert failure.error.retry_after_seconds == 2
        assert await rows_in(served.store) == before


async def test_registrations_from_one_address_are_limited(keyring: Keyring) -> None:
    limits = UNSAFE_WIDE_FOR_TESTS._replace(address=SLOW)
    async with world(MemoryStore(), keyring, limits=limits) as served:
        served.clock.move(seconds=10)
        stranger = Phone((await served.add_phone()).stub)
        requests = [register_request(f"n-{n}", DevicePrivateKey.generate()) for n in range(20)]

        reasons = [await stranger.reason("RegisterCustomer", request) for request in requests]
        served.clock.move(seconds=0.5)

        assert reasons == ["OK"] * 4 + ["RATE_LIMITED"] * 16, "and one was the first phone's"
        assert await stranger.reason("RegisterCustomer", requests[-1]) == "OK"


async def test_a_customer_watches_on_so_many_streams_and_no_more(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)
    await stage.completed()
    streams = [await _watching(stage.ana) for _ in range(5)]
    assert None not in streams
    one_more = Call(stage.ana, "WatchProcesses", customer.WatchProcessesRequest())

    failure = await failure_of(one_more)
    streams.pop().cancel()
    await _until_let_in(stage.ana)

    assert failure.reason == "RATE_LIMITED"
    assert failure.error.retry_after_seconds > 0


@pytest.mark.parametrize(("more_bytes", "expected"), [(-1_000, "REQUEST_INVALID"), (1_000, "")])
async def test_phones_and_terminals_send_little(
    in_memory: World, more_bytes: int, expected: str
) -> None:
    ana, till = await in_memory.add_phone(), await in_memory.add_terminal()
    password = "x" * (PUBLIC_REQUEST_BYTES_MAX + more_bytes)
    code = customer.IssueCodeRequest(request_id=new_id(), password=password)
    resolve = till.resolve_request("x" * (TERMINAL_REQUEST_BYTES_MAX + more_bytes))

    of_phone = await failure_of(Call(ana, "IssueCode", code))
    of_terminal = await failure_of(Call(till, "ResolveCode", resolve))

    assert (of_phone.reason, of_terminal.reason) == (expected, expected)
    if not expected:
        too_large = grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (of_phone.status, of_terminal.status) == (too_large, too_large)


@pytest.mark.parametrize(
    ("bytes_sent", "expected"),
    [
        (OPERATOR_REQUEST_BYTES_MAX - 1_000, "REQUEST_INVALID"),
        (OPERATOR_REQUEST_BYTES_MAX + 1_000, ""),
    ],
)
async def test_operators_send_whole_lists(in_memory: World, bytes_sent: int, expected: str) -> None:
    request = operator.CreateTerminalRequest(terminal_id="x" * bytes_sent, merchant_id="cafe")

    failure = await failure_of(Call(in_memory.operator, "CreateTerminal", request))

    assert failure.reason == expected


async def _watching(phone: Phone) -> Any:
    """Return a stream that the server has begun: its first answer is here. None: it was refused."""
    stream = phone.watch("WatchProcesses", customer.WatchProcessesRequest())
    try:
        first = await stream.read()
    except grpc.aio.AioRpcError:
        return None
    return None if first is grpc.aio.EOF else stream


async def _until_let_in(phone: Phone) -> None:
    """Try until there is room for a stream again, once the server has noticed the end of one."""
    for _ in range(500):
        if await _watching(phone):
            return
        await asyncio.sleep(0.002)
    message = "the stream that ended stays counted"
    raise AssertionError(message)
