"""How calls end, in one word: "OK", a machine-readable reason, or the name of the status code."""

from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tallymark_load.recorded import RecordedCall

__all__ = ["CANCELLED", "DEADLINE_EXCEEDED", "OK", "recorded_outcome", "replayed_outcome"]

OK: Final = "OK"
CANCELLED: Final = "CANCELLED"
DEADLINE_EXCEEDED: Final = "DEADLINE_EXCEEDED"

_DETAILS_KEY: Final = "grpc-status-details-bin"


def recorded_outcome(call: RecordedCall) -> str:
    """Return how a recorded call ended."""
    details = call.status_details or dict(call.trailers).get(_DETAILS_KEY, b"")
    return _reason(details) or _name(call.status_code)


def replayed_outcome(error: grpc.aio.AioRpcError) -> str:
    """Return how a failed call ended."""
    details = dict(error.trailing_metadata() or ()).get(_DETAILS_KEY, b"")
    return _reason(details if isinstance(details, bytes) else b"") or str(error.code().name)


def _reason(details: bytes) -> str:
    """Return the first reason in a packed google.rpc.Status; empty: there is none."""
    try:
        packed = status_pb2.Status.FromString(details).details
        info = error_details_pb2.ErrorInfo()
        return next((str(info.reason) for one in packed if one.Unpack(info)), "")
    except DecodeError:
        return ""


def _name(status_code: int) -> str:
    if status_code in code_pb2.Code.values():
        return str(code_pb2.Code.Name(status_code))
    return f"status {status_code}"
