"""What interceptors and the proxy record, and that calls pass as if nobody did."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.recording import Proxy, Recorder, recording_interceptors
from tallymark_load.recording.proxy import OPTIONS
from tallymark_load.redaction import Redaction
from tests.integration.load.any_service import DETAILS, SERVICE, AnyService, Caller, listening


class Recorded(NamedTuple):
    """A service, somebody who calls it, and the file in which that is written down."""

    service: AnyService
    caller: Caller
    recorder: Recorder
    path: Path


@asynccontextmanager
async def recording(
    way: str, path: Path, redaction: Redaction | None = None, **options: Any
) -> AsyncIterator[Recorded]:
    """Record in one of the two ways; the file is whole after the block."""
    service = AnyService()
    redaction = redaction or Redaction(unsafe_keep_unknown=True)
    async with AsyncExitStack() as stack:
        recorder = stack.enter_context(
            Recorder(stack.enter_context(LogWriter(path)), redaction, **options)
        )
        address = await stack.enter_async_context(listening(service))
        interceptors: Any = ()
        if way == "proxy":
            upstream = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            proxy = Proxy(upstream, recorder, authority=address)
            address = await stack.enter_async_context(listening(proxy, OPTIONS))
        else:
            interceptors = recording_interceptors(recorder)
        channel = grpc.aio.insecure_channel(address, interceptors=interceptors)
        caller = Caller(await stack.enter_async_context(channel))
        yield Recorded(service, caller, recorder, path)


def calls_in(path: Path) -> list[RecordedCall]:
    with LogReader(path) as reader:
        calls = list(calls_of(reader))
    assert reader.damage is None
    return calls


def bodies(call: RecordedCall) -> tuple[list[bytes], list[bytes]]:
    return [one.body for one in call.sent], [one.body for one in call.received]


pytestmark = pytest.mark.parametrize("way", ["interceptors", "proxy"])


async def test_a_call_of_each_kind_passes_and_is_recorded(way: str, tmp_path: Path) -> None:
    async with recording(way, tmp_path / "log") as played:
        shouted = await played.caller.shout(b"hello")
        counted = await played.caller.count(3)
        joined = await played.caller.join(b"a", b"b")
        echo = played.caller.stream("Echo")
        await echo.write(b"one")
        first = await echo.read()
        await echo.write(b"two")
        await echo.done_writing()
        rest = [await echo.read()]
        assert await echo.read() is grpc.aio.EOF

    assert await shouted == b"HELLO"
    assert (counted, joined) == ([b"0", b"1", b"2"], b"a+b")
    assert (first, rest) == (b"one", [b"two"])
    calls = {call.method.removeprefix(SERVICE): call for call in calls_in(played.path)}
    assert {name: bodies(call) for name, call in calls.items()} == {
        "/Shout": ([b"hello"], [b"HELLO"]),
        "/Count": ([b"3"], [b"0", b"1", b"2"]),
        "/Join": ([b"a", b"b"], [b"a+b"]),
        "/Echo": ([b"one", b"two"], [b"one", b"two"]),
    }
    for call in calls.values():
        assert call.status_code == 0
        assert not call.is_truncated
        assert call.half_closed_at_ns is not None


async def test_times_of_messages_are_in_the_order_of_what_happened(
    way: str, tmp_path: Path
) -> None:
    async with recording(way, tmp_path / "log") as played:
        echo = played.caller.stream("Echo")
        for number in range(5):
            await echo.write(b"%d" % number)
            await echo.read()
        await echo.done_writing()
        assert await echo.read() is grpc.aio.EOF

    call = calls_in(played.path)[0]
    times = [call.started_at_ns]
    for sent, received in zip(call.sent, call.received, strict=True):
        times += [sent.at_ns, received.at_ns]
    assert call.ended_at_ns is not None
    assert times == sorted(times)
    assert call.ended_at_ns >= times[-1]


async def test_metadata_and_the_deadline_go_both_ways(way: str, tmp_path: Path) -> None:
    sent = (("given", "name"), ("authorization", "Bearer of-nobody"), ("raw-bin", b"\x00\xff"))
    async with recording(way, tmp_path / "log") as played:
        call = await played.caller.shout(b"x", metadata=sent, timeout=60)
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()

    assert set(sent) <= set(played.service.metadata)
    assert played.service.remaining_seconds == pytest.approx(60, abs=20)
    assert ("early", "bird") in tuple(initial)
    assert {("late", "owl"), ("late-bin", b"\xff\x00")} <= set(trailing)
    recorded = calls_in(played.path)[0]
    assert ("raw-bin", b"\x00\xff") in recorded.metadata
    assert recorded.trailers == (("late", b"owl"), ("late-bin", b"\xff\x00"))
    assert recorded.timeout_ns == pytest.approx(60e9, abs=20e9)
    assert b"of-nobody" not in played.path.read_bytes()


async def test_an_error_passes_with_its_details_and_trailers(way: str, tmp_path: Path) -> None:
    async with recording(way, tmp_path / "log") as played:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await played.caller.unary("Fail")(b"x")

    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert failed.value.details() == "too much"
    assert ("grpc-status-details-bin", DETAILS) in tuple(failed.value.trailing_metadata())
    recorded = calls_in(played.path)[0]
    assert (recorded.status_code, recorded.status_message) == (8, "too much")
    assert recorded.status_details == DETAILS
    assert recorded.trailers == (("late", b"owl"),)


async def test_a_caller_that_gives_up_is_heard_by_the_service(way: str, tmp_path: Path) -> None:
    async with recording(way, tmp_path / "log") as played:
        call = played.caller.unary("Wait")(b"x")
        await played.service.begun.wait()
        call.cancel()
        await played.service.given_up.wait()

    recorded = calls_in(played.path)[0]
    assert recorded.status_code == 1
    assert recorded.ended_at_ns is not None
    assert bodies(recorded) == ([b"x"], [])


async def test_a_deadline_that_passes_ends_the_call(way: str, tmp_path: Path) -> None:
    async with recording(way, tmp_path / "log") as played:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await played.caller.unary("Wait")(b"x", timeout=0.05)
        await played.service.given_up.wait()

    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert calls_in(played.path)[0].status_code in {1, 4}


async def test_a_service_that_withdraws_is_no_caller_that_gives_up(
    way: str, tmp_path: Path
) -> None:
    async with recording(way, tmp_path / "log") as played:
        call = played.caller.unary("Withdraw")(b"x")
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert await call.details() == "the service changed its mind"

    assert calls_in(played.path)[0].status_code == 1


async def test_a_stream_that_the_service_ends_early_passes_its_reason(
    way: str, tmp_path: Path
) -> None:
    async with recording(way, tmp_path / "log") as played:
        stream = played.caller.stream("Interrupt")
        await stream.write(b"one")
        assert await stream.read() == b"one"
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stream.read()

    assert failed.value.details() == "enough"
    recorded = calls_in(played.path)[0]
    assert (recorded.status_code, bodies(recorded)) == (9, ([b"one"], [b"one"]))


async def test_a_method_that_nobody_has_is_passed_on_too(way: str, tmp_path: Path) -> None:
    async with recording(way, tmp_path / "log") as played:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await played.caller.unary("Missing")(b"x")

    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert calls_in(played.path)[0].status_code == 12


async def test_bodies_without_a_contract_are_left_out_unless_asked_for(
    way: str, tmp_path: Path
) -> None:
    async with recording(way, tmp_path / "log", Redaction()) as played:
        await played.caller.shout(b"a secret of the kind that nobody knows")
        with pytest.raises(grpc.aio.AioRpcError):
            await played.caller.unary("Fail")(b"x")

    written = played.path.read_bytes()
    assert b"secret" not in written.lower()
    assert b"too much" not in written
    shouted, failed = calls_in(played.path)
    assert bodies(shouted) == ([b""], [b""])
    assert shouted.is_truncated
    assert failed.status_code == 8


async def test_what_does_not_fit_into_memory_is_lost_and_counted(way: str, tmp_path: Path) -> None:
    async with recording(way, tmp_path / "log", backlog_bytes_max=20_000) as played:
        await played.caller.shout(b"small")
        await played.caller.shout(b"x" * 30_000)

    small, large = calls_in(played.path)
    assert played.recorder.lost == 2
    assert not small.is_truncated
    assert large.is_truncated
    assert bodies(large) == ([], [])
