"""The recorder when writing goes wrong, and what it notes of addresses."""

import errno
from pathlib import Path

import pytest

from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.binary_log.binary_log_pb2 import Address, GrpcLogEntry
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.recording import Recorder
from tallymark_load.recording.events import Opening, Status
from tallymark_load.redaction import Redaction

METHOD = "/any.v1.AnyService/Shout"


class FullDisk(LogWriter):
    """Takes two entries."""

    entries = 0

    def write(self, entry: GrpcLogEntry) -> None:
        self.entries += 1
        if self.entries > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(entry)


def recorded(path: Path) -> list[RecordedCall]:
    with LogReader(path) as reader:
        return list(calls_of(reader))


def test_a_full_disk_ends_the_recording_with_its_error_and_keeps_what_is_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log"

    def record() -> None:
        with FullDisk(path) as writer, Recorder(writer, Redaction()) as recorder:
            call = recorder.begin(Opening(METHOD, ()))
            call.sent(b"one")
            call.sent(b"two")

    with pytest.raises(OSError, match="No space left"):
        record()

    [call] = recorded(path)
    assert len(call.sent) == 1


def test_events_after_a_failure_are_lost_and_counted(tmp_path: Path) -> None:
    writer = FullDisk(tmp_path / "log")
    recorder = Recorder(writer, Redaction())

    def record() -> None:
        with writer, recorder:
            call = recorder.begin(Opening(METHOD, ()))
            call.sent(b"one")
            call.sent(b"two")
            while recorder.failure is None:
                continue
            call.sent(b"three")

    with pytest.raises(OSError, match="No space left"):
        record()

    assert recorder.lost == 1


def test_what_comes_after_the_end_of_a_call_is_not_noted(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log") as writer, Recorder(writer, Redaction()) as recorder:
        call = recorder.begin(Opening(METHOD, ()))
        call.ended(Status(0, "", ()))
        call.received(b"late")
        call.cancelled()

    [whole] = recorded(tmp_path / "log")
    assert (whole.status_code, whole.received) == (0, ())


@pytest.mark.parametrize(
    ("peer", "kind", "address", "port"),
    [
        ("ipv4:127.0.0.1:4711", Address.TYPE_IPV4, "127.0.0.1", 4711),
        ("ipv6:[2001:db8::1]:4711", Address.TYPE_IPV6, "2001:db8::1", 4711),
        ("ipv6:%5Bfe80::1%25eth0%5D:4711", Address.TYPE_IPV6, "fe80::1", 4711),
        ("unix:/run/any.socket", Address.TYPE_UNIX, "/run/any.socket", 0),
        ("vsock:2:99", Address.TYPE_UNKNOWN, "2:99", 0),
    ],
)
def test_peers_are_written_as_the_format_demands(
    peer: str, kind: Address.Type.ValueType, address: str, port: int, tmp_path: Path
) -> None:
    with LogWriter(tmp_path / "log") as writer, Recorder(writer, Redaction()) as recorder:
        recorder.begin(Opening(METHOD, (), peer=peer))

    with LogReader(tmp_path / "log") as reader:
        [entry] = reader
    assert (entry.peer.type, entry.peer.address, entry.peer.ip_port) == (kind, address, port)


def test_whose_address_it_was_is_personal_but_connections_are_told_apart(tmp_path: Path) -> None:
    redaction = Redaction(is_personal_redacted=True)
    with LogWriter(tmp_path / "log") as writer, Recorder(writer, redaction) as recorder:
        recorder.begin(Opening(METHOD, (), peer="ipv4:192.0.2.7:4711"))
        recorder.begin(Opening(METHOD, (), peer="ipv4:192.0.2.7:4712"))

    assert b"192.0.2.7" not in (tmp_path / "log").read_bytes()
    assert len({call.peer for call in recorded(tmp_path / "log")}) == 2
