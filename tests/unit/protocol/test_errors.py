"""Errors as they come back from a failed call."""

import grpc
import pytest
from google.protobuf import any_pb2, timestamp_pb2
from google.rpc import status_pb2

from tallymark_protocol.errors import NotDone, Refused, TallymarkError, UnknownOutcome, from_call
from tallymark_protocol.errors import to_status as to_wire
from tallymark_protocol.reasons import Reason


def failed(code: grpc.StatusCode, status: status_pb2.Status | None = None) -> grpc.aio.AioRpcError:
    """Return what gRPC raises for a call that failed so."""
    trailer = grpc.aio.Metadata()
    if status is not None:
        trailer.add("grpc-status-details-bin", status.SerializeToString())
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailer, details="It failed.")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, UnknownOutcome),
        (grpc.StatusCode.DEADLINE_EXCEEDED, UnknownOutcome),
        (grpc.StatusCode.CANCELLED, UnknownOutcome),
        (grpc.StatusCode.UNIMPLEMENTED, Refused),
    ],
)
def test_a_failure_without_details_is_unknown_unless_its_status_is_an_answer(
    code: grpc.StatusCode, expected: type[TallymarkError]
) -> None:
    error = from_call(failed(code))

    assert type(error) is expected
    assert error.reason is None


def test_a_call_that_was_not_taken_on_tells_when_to_come_back() -> None:
    status = to_wire(NotDone(Reason.OVERLOADED, retry_after_seconds=0.5))

    error = from_call(failed(grpc.StatusCode.RESOURCE_EXHAUSTED, status))

    assert type(error) is NotDone
    assert error.retry_after_seconds == 0.5


def test_details_of_an_unknown_kind_are_passed_over() -> None:
    strange = any_pb2.Any()
    strange.Pack(timestamp_pb2.Timestamp(seconds=1))
    status = to_wire(Refused(Reason.CODE_EXPIRED))
    status.details.insert(0, strange)

    error = from_call(failed(grpc.StatusCode.FAILED_PRECONDITION, status))

    assert type(error) is Refused
    assert error.reason is Reason.CODE_EXPIRED


def test_details_that_cannot_be_read_do_not_hide_that_the_call_failed() -> None:
    trailer = grpc.aio.Metadata(("grpc-status-details-bin", b"\x12\x01\xff"))
    code = grpc.StatusCode.UNAVAILABLE

    error = from_call(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailer, details="No."))

    assert type(error) is UnknownOutcome
    assert error.reason is None
