"""Errors of Tallymark calls, the same classes on both sides of the wire.

    TallymarkError
    ├── Refused          the answer is no, finally for this request; `reason` says why
    └── UnknownOutcome   nobody can say what became of the call: repeat it with the same request_id
        └── NotDone      the server says that nothing was done yet: the same repeat, a little later

The server raises `Refused` and `NotDone`; its interceptor sends them as a `google.rpc.Status` with
an `ErrorInfo`. `from_call` makes the same error again from a failed call, and every transport
failure an `UnknownOutcome`.
"""

import contextlib
from collections.abc import Iterable, Mapping

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tallymark_protocol.reasons import DESCRIPTIONS, Reason

__all__ = [
    "ERROR_DOMAIN",
    "RETRY_PUSHBACK_KEY",
    "FieldViolation",
    "NotDone",
    "Refused",
    "TallymarkError",
    "UnknownOutcome",
    "from_call",
    "make_error",
    "to_status",
]

ERROR_DOMAIN = "tallymark"

# Clients ignore RetryInfo but obey this trailer (gRFC A6).
RETRY_PUSHBACK_KEY = "grpc-retry-pushback-ms"

# Key of the packed google.rpc.Status in the trailing metadata of a failed call.
_STATUS_DETAILS_KEY = "grpc-status-details-bin"

_UNKNOWN_STATUSES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}

FieldViolation = tuple[str, str]
"""Path of a field and what is wrong with it."""


class TallymarkError(Exception):
    """A call that did not do what was asked; `reason` is None when the transport failed."""

    def __init__(
        self,
        reason: Reason | None,
        *,
        message: str | None = None,
        violations: Iterable[FieldViolation] = (),
        retry_after_seconds: float = 0.0,
        **metadata: str,
    ) -> None:
        """Take the reason and the values for the places in its sentence."""
        if message is None:
            message = DESCRIPTIONS[reason].sentence.format_map(metadata) if reason else ""
        super().__init__(message)
        self.reason = reason
        self.metadata: Mapping[str, str] = metadata
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds

    @property
    def message(self) -> str:
        """What happened and what to do, for people."""
        return str(self)


class Refused(TallymarkError):
    """The call was answered with no, and the same request_id will get the same answer."""


class UnknownOutcome(TallymarkError):
    """The call may or may not have had its effect.

    Never show it as a refusal; repeat it with the same request_id.
    """


class NotDone(UnknownOutcome):
    """The server did not take the call on.

    Repeat it with the same request_id after `retry_after_seconds`.
    """


def to_status(error: TallymarkError) -> status_pb2.Status:
    """Pack an error for the wire.

    Status, sentence and ErrorInfo are always there, BadRequest and RetryInfo where they apply.
    """
    reason = error.reason or Reason.INTERNAL
    info = error_details_pb2.ErrorInfo(
        reason=reason.value, domain=ERROR_DOMAIN, metadata=error.metadata
    )
    details: list[
        error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo
    ]
    details = [info]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=field, description=text)
                    for field, text in error.violations
                ]
            )
        )
    if error.retry_after_seconds:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for place, detail in zip(packed, details, strict=True):
        place.Pack(detail)
    code = code_pb2.Code.Value(DESCRIPTIONS[reason].status)
    return status_pb2.Status(code=code, message=error.message, details=packed)


class _Details:
    """The details of a failed call that this library knows."""

    def __init__(self, trailing: Iterable[tuple[str, str | bytes]] | None) -> None:
        self.info: error_details_pb2.ErrorInfo | None = None
        self.violations: list[FieldViolation] = []
        self.retry_after_seconds = 0.0
        for key, value in trailing or ():
            if key == _STATUS_DETAILS_KEY and isinstance(value, bytes):
                # Details that are none must not hide that the call failed.
                with contextlib.suppress(DecodeError):
                    self._read(status_pb2.Status.FromString(value))

    def _read(self, status: status_pb2.Status) -> None:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        for detail in status.details:
            if detail.Unpack(info):
                self.info = info if info.domain == ERROR_DOMAIN else None
            elif detail.Unpack(bad):
                self.violations = [(v.field, v.description) for v in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_after_seconds = retry.retry_delay.ToMilliseconds() / 1000


_NOT_DONE = frozenset(
    {Reason.OVERLOADED, Reason.RATE_LIMITED, Reason.SHUTTING_DOWN, Reason.DISK_NEARLY_FULL}
)


def from_call(error: grpc.aio.AioRpcError) -> TallymarkError:
    """Return the error that the server raised, or an `UnknownOutcome` for a failure on the way."""
    details = _Details(error.trailing_metadata())
    return make_error(
        details.info.reason if details.info else "",
        error.code(),
        message=error.details() or f"The call failed with status {error.code().name}.",
        violations=details.violations,
        retry_after_seconds=details.retry_after_seconds,
        metadata=details.info.metadata if details.info else {},
    )


def make_error(  # noqa: PLR0913 -- what an error carries
    reason_name: str,
    status: grpc.StatusCode,
    *,
    message: str,
    violations: Iterable[FieldViolation],
    retry_after_seconds: float,
    metadata: Mapping[str, str],
) -> TallymarkError:
    """Return the error of the class that reason and status say.

    A reason that this version does not know is None, and the status alone counts.
    """
    reason = Reason(reason_name) if reason_name in Reason.__members__ else None
    kind: type[TallymarkError] = Refused
    if reason in _NOT_DONE:
        kind = NotDone
    elif status in _UNKNOWN_STATUSES:
        kind = UnknownOutcome
    return kind(
        reason,
        message=message,
        violations=violations,
        retry_after_seconds=retry_after_seconds,
        **metadata,
    )
