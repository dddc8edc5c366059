"""What any answer of a server must be like, whatever the request was.

1. It is an answer, or an error with a reason that the contract names for the RPC, in its domain,
   with its status and its sentence: so no INTERNAL, and no text of the program.
2. An error shows no secret of the request.
3. Errors of gRPC itself, which have no reason, are few and known.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tallymark_protocol.errors import ERROR_DOMAIN
from tallymark_protocol.reasons import DESCRIPTIONS, Reason
from tests.world.contract import Rpc
from tests.world.contract_comments import promised_reasons
from tests.world.secret_values import secrets_in

__all__ = ["Answer", "fault_of"]

SECRET_CHARACTERS_MIN = 8
"""Shorter ones stand in ids and sentences by chance."""

_OF_GRPC = {
    # A body above the limit is refused unread, and so is more metadata than gRPC takes.
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_reasons = cache(promised_reasons)


class Answer(NamedTuple):
    """How a call ended."""

    status: grpc.StatusCode
    message: str = ""
    trailing: Mapping[str, str | bytes] = {}

    @classmethod
    def of_failure(cls, error: grpc.aio.AioRpcError) -> "Answer":
        """Return the answer of a call that failed."""
        trailing = dict(error.trailing_metadata() or ())
        return cls(error.code(), error.details() or "", trailing)


def fault_of(answer: Answer, rpc: Rpc, request: bytes) -> str:
    """Say what is wrong with an answer; nothing if all is well."""
    if answer.status is grpc.StatusCode.OK:
        return ""
    info, broken = _info_of(answer)
    if info is None:
        is_known = answer.status in _OF_GRPC and not broken
        return "" if is_known else f"{answer.status.name} without a reason: {answer.message}"
    if info.reason not in _reasons(rpc) or info.reason == Reason.INTERNAL:
        return f"{info.reason} is not promised for {rpc}: {answer.message}"
    expected = DESCRIPTIONS[Reason(info.reason)]
    if (info.domain, answer.status.name) != (ERROR_DOMAIN, expected.status):
        return f"{info.reason} came as {answer.status.name} of {info.domain}"
    if answer.message != expected.sentence.format_map(dict(info.metadata)):
        return f"{info.reason} came with another sentence: {answer.message}"
    shown = f"{answer.message} {dict(answer.trailing)!r}"
    if any(secret in shown for secret in _secrets(rpc, request)):
        return f"{info.reason} shows a secret of the request"
    return ""


def _info_of(answer: Answer) -> tuple[error_details_pb2.ErrorInfo | None, bool]:
    """Return the packed reason, and whether the details cannot be read."""
    packed = answer.trailing.get("grpc-status-details-bin", b"")
    info = error_details_pb2.ErrorInfo()
    try:
        details = status_pb2.Status.FromString(bytes(packed)).details  # type: ignore[arg-type] # -bin
    except DecodeError:
        return None, True
    found = any(detail.Unpack(info) for detail in details)
    return (info if found else None), False


def _secrets(rpc: Rpc, request: bytes) -> set[str]:
    message = rpc.empty_request()
    try:
        message.ParseFromString(request)
    except DecodeError:
        return set()
    return {secret for secret in secrets_in(message) if len(secret) >= SECRET_CHARACTERS_MIN}
