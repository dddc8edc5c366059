"""Binary logs of gRPC: read from bytes that others made, and up to where they are damaged."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.binary_log.binary_log_pb2 import GrpcLogEntry
from tallymark_load.commands.show import show
from tallymark_load.recorded import Logger, RecordedCall, calls_of

VECTORS = Path(__file__).parent.parent.parent / "vectors" / "binary_log"

# A client header by the numbers of gRFC A16, written by hand: timestamp {seconds 5, nanos 7},
# call 3, entry 1, type 1, logger 1, header {metadata {entry {"k", "v"}}, "/a.B/C", "host:1",
# timeout {seconds 2}}.
BY_HAND = bytes.fromhex(
    "0a04 0805 1007"  # 1: timestamp
    "1003"  # 2: call_id
    "1801"  # 3: sequence_id_within_call
    "2001"  # 4: type
    "2801"  # 5: logger
    "321e"  # 6: client_header
    "0a08 0a06 0a016b 120176"  # .1: metadata
    "1206 2f612e422f43"  # .2: method_name
    "1a06 686f73743a31"  # .3: authority
    "2202 0802"  # .4: timeout
)


def read(path: Path) -> tuple[list[GrpcLogEntry], str]:
    with LogReader(path) as reader:
        return list(reader), "" if reader.damage is None else str(reader.damage)


def entry(sequence: int, event: str, call_id: int = 3, **payload: object) -> GrpcLogEntry:
    made = GrpcLogEntry(
        call_id=call_id,
        sequence_id_within_call=sequence,
        type=GrpcLogEntry.EventType.Value(f"EVENT_TYPE_{event}"),
        logger=GrpcLogEntry.LOGGER_CLIENT,
        **payload,  # type: ignore[arg-type]  # of each test
    )
    made.timestamp.seconds = 100 + sequence
    return made


def opened(method: str = "/a.B/C", call_id: int = 3) -> GrpcLogEntry:
    made = entry(1, "CLIENT_HEADER", call_id)
    made.client_header.method_name = method
    return made


def message(sequence: int, event: str, data: bytes) -> GrpcLogEntry:
    made = entry(sequence, event)
    made.message.data, made.message.length = data, len(data)
    return made


def ended(sequence: int, code: int = 0) -> GrpcLogEntry:
    made = entry(sequence, "SERVER_TRAILER")
    made.trailer.status_code = code
    return made


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param(len(BY_HAND).to_bytes(1, "big"), id="java"),
        pytest.param(len(BY_HAND).to_bytes(4, "big"), id="go"),
    ],
)
def test_bytes_made_by_hand_are_read_in_either_framing(prefix: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes((prefix + BY_HAND) * 2)

    entries, damage = read(path)

    assert damage == ""
    assert len(entries) == 2
    [call] = list(calls_of(entries[:1]))
    assert call == RecordedCall(
        call_id=3,
        method="/a.B/C",
        logger=Logger.CLIENT,
        authority="host:1",
        peer="",
        started_at_ns=5_000_000_007,
        metadata=(("k", b"v"),),
        sent=(),
        half_closed_at_ns=None,
        received=(),
        ended_at_ns=None,
        status_code=2,
        status_message="",
        status_details=b"",
        trailers=(),
        timeout_ns=2_000_000_000,
        is_truncated=False,
    )


def test_a_log_that_go_wrote_is_read() -> None:
    entries, damage = read(VECTORS / "go.binlog")

    calls = list(calls_of(entries))
    assert damage == ""
    assert sorted((call.method, call.logger.value, call.status_code) for call in calls) == [
        ("/grpc.health.v1.Health/Check", "client", 0),
        ("/grpc.health.v1.Health/Check", "client", 5),
        ("/grpc.health.v1.Health/Check", "server", 0),
        ("/grpc.health.v1.Health/Check", "server", 5),
        ("/grpc.health.v1.Health/Watch", "client", 1),
        ("/grpc.health.v1.Health/Watch", "server", 1),
    ]
    assert all(("raw-bin", b"\x00\xff") in call.metadata for call in calls)
    assert all(call.peer.startswith("ipv4:127.0.0.1:") for call in calls)
    assert not any(call.is_truncated for call in calls)
    answered = {call.received[0].body for call in calls if call.received}
    assert answered == {b"\x08\x01"}, "SERVING"


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_written_is_read_again(bodies: list[bytes]) -> None:
    written = [message(number, "CLIENT_MESSAGE", body) for number, body in enumerate(bodies, 1)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        with LogWriter(path) as writer:
            for one in written:
                writer.write(one)

        assert read(path) == (written, "")
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a real day")

    with pytest.raises(FileExistsError):
        LogWriter(tmp_path / "log")


WHOLE = bytes([len(BY_HAND)]) + BY_HAND


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (WHOLE[:-1], f"an entry of {len(BY_HAND)} bytes begins, of which {len(BY_HAND) - 1} are"),
        (b"\x80", "the length of an entry is cut off"),
        (b"\xff\xff\xff\xff\xff\xff", "the length of an entry is longer than any"),
        (b"\x03\x0a\xff\xff", "no entry of a binary log"),
        (b"\x02\x78\x01", "an entry without a call and a time"),
        (b"\x00", "an entry without a call and a time"),
    ],
)
def test_damage_is_told_with_its_place_and_what_is_before_it_is_kept(
    tail: bytes, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_bytes(WHOLE * 2 + tail)

    entries, damage = read(path)

    assert len(entries) == 2
    assert damage.startswith(f"damaged at byte {2 * len(WHOLE)}: {why}")


def test_a_cut_off_log_of_go_is_kept_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    content = (VECTORS / "go.binlog").read_bytes()
    path.write_bytes(content[:-10])

    entries, damage = read(path)

    whole, _ = read(VECTORS / "go.binlog")
    assert entries == whole[:-1]
    assert "damaged at byte" in damage


def test_calls_are_given_when_they_end_and_open_ones_last() -> None:
    entries = [opened(call_id=9), opened(), message(2, "CLIENT_MESSAGE", b"x"), ended(3)]

    assert [call.call_id for call in calls_of(entries)] == [3, 9]


def test_entries_that_changed_places_are_put_in_order() -> None:
    entries = [opened(), message(3, "SERVER_MESSAGE", b"2"), message(2, "SERVER_MESSAGE", b"1")]

    [call] = calls_of([*entries, ended(4)])

    assert [one.body for one in call.received] == [b"1", b"2"]
    assert not call.is_truncated


def test_a_call_with_a_gap_in_its_numbers_is_not_whole() -> None:
    [call] = calls_of([opened(), message(3, "CLIENT_MESSAGE", b"x"), ended(4)])

    assert call.is_truncated


def test_a_shortened_message_is_not_whole() -> None:
    shortened = message(2, "CLIENT_MESSAGE", b"x")
    shortened.message.length = 100

    [call] = calls_of([opened(), shortened, ended(3)])

    assert call.is_truncated


def test_a_call_that_was_given_up_is_cancelled_and_what_comes_later_is_no_call() -> None:
    [call] = calls_of([opened(), entry(2, "CANCEL"), ended(3, 1)])

    assert (call.status_code, call.ended_at_ns) == (1, 102_000_000_000)


def test_show_tells_what_is_in_a_log() -> None:
    shown = CliRunner().invoke(show, [str(VECTORS / "go.binlog")])

    assert shown.exit_code == 0
    assert "grpc.health.v1.Health/Check" in shown.output
    assert "6 calls of 2 peers from " in shown.output
    assert "2  NOT_FOUND" in shown.output


def test_show_tells_of_damage_and_shows_what_is_before_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(WHOLE + b"\x80")

    shown = CliRunner().invoke(show, [str(path), "--json"])

    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["methods"]["/a.B/C"]["unended"] == 1
    assert f"damaged at byte {len(WHOLE)}" in shown.stderr


@given(st.binary(max_size=200))
def test_no_file_whatever_is_in_it_is_more_than_damaged(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)

        entries, damage = read(path)

    assert all(isinstance(call, RecordedCall) for call in calls_of(entries))
    assert damage or len(content) >= len(entries)
