"""Recordings of other services are replayed too: with rules of their own, or as bytes."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from tallymark_load.binary_log import LogWriter
from tallymark_load.connections import Connections, Route
from tallymark_load.recorded import Logger, RecordedCall, RecordedMessage
from tallymark_load.recording import Recorder, recording_interceptors
from tallymark_load.redaction import Redaction
from tallymark_load.replay.contracts import Contracts, UnusableContracts, pool_of_file
from tallymark_load.replay.pace import Pace
from tallymark_load.replay.replaying import NobodyToPlay, Replayed, replay
from tallymark_load.replay.rules import ReplayRules
from tests.integration.load.any_service import SERVICE, AnyService, Caller, listening
from tests.integration.load.chat_service import CHAT, RULES, ChatService, Line, contract_file
from tests.integration.load.replayed_shop import read

PACES = [Pace(speed=1), Pace.flat_out()]


class Recording:
    """Writes down calls of one address, in plain text, with everything in them."""

    def __init__(self, path: Path, contracts: Contracts) -> None:
        self._writer = LogWriter(path)
        redaction = Redaction(contracts=contracts, unsafe_keep_unknown=True)
        self._recorder = Recorder(self._writer, redaction)

    async def __aenter__(self) -> Connections:
        self._writer.__enter__()
        self._recorder.__enter__()
        self._connections = Connections(
            count=2, is_plain=True, interceptors=recording_interceptors(self._recorder)
        )
        return self._connections

    async def __aexit__(self, *error: object) -> None:
        await self._connections.__aexit__(None, None, None)
        self._recorder.__exit__(None, None, None)
        self._writer.__exit__(None, None, None)


async def play_again(
    path: Path, address: str, connections: Connections, pace: Pace, **options: Any
) -> Replayed:
    options = {"contracts": Contracts(), "rules": ReplayRules(), **options}
    return await replay(
        read(path),
        connections=connections,
        pace=pace,
        route=Route(address),
        patience_seconds=10.0,
        **options,
    )


def sent_in_order(calls: list[RecordedCall]) -> list[bytes]:
    """Return all messages of all callers in the order in which they were sent."""
    messages = [message for call in calls for message in call.sent]
    return [message.body for message in sorted(messages, key=lambda message: message.at_ns)]


def texts(calls: list[RecordedCall]) -> list[str]:
    return [Line.FromString(body).text for body in sent_in_order(calls)]


async def chat_by_turns(connections: Connections, address: str) -> None:
    """Talk on two streams, one after the other; each message says which answer it follows."""
    streams: list[Any] = [
        connections.channel(Route(address), place).stream_stream(
            CHAT, Line.SerializeToString, Line.FromString
        )(metadata=(("tallymark-load-member", f"caller {place}"),))
        for place in range(2)
    ]
    tickets = []
    for place, stream in enumerate(streams):
        await stream.write(Line(text=f"hello from {place}"))
        tickets.append((await stream.read()).ticket)
    for number in range(5):
        for place, stream in enumerate(streams):
            await stream.write(Line(ticket=tickets[place], text=f"{number} from {place}"))
            assert (await stream.read()).text == f"{number} FROM {place}"
    for stream in streams:
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


async def test_streams_of_another_service_get_tickets_of_their_own(
    tmp_path: Path,
) -> None:
    contracts = Contracts([pool_of_file(contract_file(tmp_path))])
    path, again = tmp_path / "talk.binlog", tmp_path / "again.binlog"
    async with listening(ChatService()) as address, Recording(path, contracts) as connections:
        await chat_by_turns(connections, address)

    service = ChatService()
    async with listening(service) as address, Recording(again, contracts) as connections:
        came = await play_again(
            *(path, address, connections, Pace(speed=1)),
            contracts=contracts,
            rules=ReplayRules.parse(RULES),
        )

    assert came.differences.groups() == []
    assert came.kinds == {"bidirectional": 2}
    for place in ("from 0", "from 1"):
        recorded = [text for text in texts(read(path)) if text.endswith(place)]
        assert [text for text in texts(read(again)) if text.endswith(place)] == recorded
        assert [text for text in service.heard if text.endswith(place)] == recorded


def echoed(number: int, offsets_ms: tuple[int, ...]) -> RecordedCall:
    """Return a recorded stream that said these moments, and heard them at once."""
    said = tuple(
        RecordedMessage(at_ns=1_000_000 * offset, body=str(offset).encode())
        for offset in offsets_ms
    )
    return RecordedCall(
        call_id=number,
        method=f"{SERVICE}/Echo",
        logger=Logger.CLIENT,
        authority="",
        peer="",
        started_at_ns=0,
        metadata=(("tallymark-load-member", b"caller %d" % number),),
        sent=said,
        half_closed_at_ns=700_000_000,
        received=said,
        ended_at_ns=701_000_000,
        status_code=0,
        status_message="",
        status_details=b"",
        trailers=(),
        timeout_ns=None,
        is_truncated=False,
    )


async def test_messages_of_two_streams_leave_in_their_order_and_never_early(tmp_path: Path) -> None:
    calls = [echoed(1, (40, 120, 200, 480)), echoed(2, (80, 160, 360, 600))]
    again = tmp_path / "again.binlog"
    async with listening(AnyService()) as address, Recording(again, Contracts()) as connections:
        came = await replay(
            calls,
            connections=connections,
            contracts=Contracts(),
            rules=ReplayRules(),
            pace=Pace(speed=2),
            route=Route(address),
        )

    assert came.differences.groups() == []
    moments = [int(body) for body in sent_in_order(read(again))]
    assert sorted(moments) == [40, 80, 120, 160, 200, 360, 480, 600]
    for body in ((40, 120, 200, 480), (80, 160, 360, 600)):
        assert tuple(moment for moment in moments if moment in body) == body
    assert came.timing.summary()["on_time_messages"] == 8
    assert came.timing.summary()["early_messages"] == 0


@pytest.mark.parametrize("pace", PACES, ids=str)
async def test_without_rules_a_ticket_of_another_day_is_a_difference(
    pace: Pace, tmp_path: Path
) -> None:
    contracts = Contracts([pool_of_file(contract_file(tmp_path))])
    path = tmp_path / "talk.binlog"
    async with listening(ChatService()) as address, Recording(path, contracts) as connections:
        await chat_by_turns(connections, address)

    async with (
        listening(ChatService()) as address,
        Connections(is_plain=True) as connections,
    ):
        came = await play_again(path, address, connections, pace, contracts=contracts)

    outcomes = [one for one in came.differences.found if one.field == "outcome"]
    assert len(outcomes) == 2
    # A service that aborts a stream which is still written to may be seen as INTERNAL.
    assert {one.replayed for one in outcomes} <= {"PERMISSION_DENIED", "INTERNAL"}
    assert not any(one.explained for one in outcomes)


@pytest.mark.parametrize("pace", PACES, ids=str)
async def test_methods_that_nobody_knows_are_replayed_as_bytes(pace: Pace, tmp_path: Path) -> None:
    path = tmp_path / "any.binlog"
    async with listening(AnyService()) as address, Recording(path, Contracts()) as connections:
        await call_in_all_ways(Caller(connections.channel(Route(address))))

    async with listening(AnyService()) as address, Connections(is_plain=True) as connections:
        came = await play_again(path, address, connections, pace)

    assert came.differences.groups() == []
    assert came.kinds == {"unknown": 5}
    assert came.messages == 1 + 1 + 1 + 3 + 2


async def test_another_answer_in_bytes_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whisper(_: Any, request: bytes, __: Any) -> bytes:
        return request.lower()

    path = tmp_path / "any.binlog"
    async with listening(AnyService()) as address, Recording(path, Contracts()) as connections:
        await Caller(connections.channel(Route(address))).shout(b"Hello")
    monkeypatch.setattr(AnyService, "_shout", whisper)

    async with listening(AnyService()) as address, Connections(is_plain=True) as connections:
        came = await play_again(path, address, connections, Pace(speed=1))

    (group,) = came.differences.groups()
    assert (group["method"], group["calls"]) == (f"{SERVICE}/Shout", [1])
    assert came.differences.unexplained == 1


async def call_in_all_ways(caller: Caller) -> None:
    await caller.shout(b"hello", metadata=(("x-shop", "corner"),), timeout=20)
    with pytest.raises(Exception, match="too much"):
        await caller.unary("Fail")(b"x")
    assert await caller.count(3) == [b"0", b"1", b"2"]
    assert await caller.join(b"a", b"b", b"c") == b"a+b+c"
    stream = caller.stream("Echo")
    for word in (b"one", b"two"):
        await stream.write(word)
        assert await stream.read() == word
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF


async def test_callers_without_a_place_to_call_are_named(tmp_path: Path) -> None:
    path = tmp_path / "any.binlog"
    async with listening(AnyService()) as address, Recording(path, Contracts()) as connections:
        await Caller(connections.channel(Route(address))).shout(b"hello")
    async with Connections(is_plain=True) as connections:
        with pytest.raises(NobodyToPlay, match="--to or --cast"):
            await replay(
                read(path),
                connections=connections,
                pace=Pace(),
                contracts=Contracts(),
                rules=ReplayRules(),
            )


def test_a_file_that_is_no_descriptor_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.proto"
    path.write_text('syntax = "proto3";')

    with pytest.raises(UnusableContracts, match="no descriptor set"):
        pool_of_file(path)
