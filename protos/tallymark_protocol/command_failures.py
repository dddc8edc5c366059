"""The errors of Tallymark calls as a stream of commands carries them: a failure for each command.

It has in its fields what a failed call has in its status (`errors.to_status`), so both end as the
same error.
"""

from functools import lru_cache

import grpc
from google.rpc import code_pb2

from tallymark.v1 import exchange_pb2
from tallymark_protocol.errors import TallymarkError, make_error
from tallymark_protocol.reasons import DESCRIPTIONS, Reason

__all__ = ["from_failure", "to_failure"]

_STATUS_OF = {status.value[0]: status for status in grpc.StatusCode}


def to_failure(error: TallymarkError) -> exchange_pb2.CommandFailure:
    """Pack an error for the wire."""
    reason = error.reason or Reason.INTERNAL
    failure = exchange_pb2.CommandFailure(
        status=_number_of(reason),
        reason=reason.value,
        message=error.message,
        metadata=error.metadata,
        violations=[
            exchange_pb2.FieldViolation(field=field, description=text)
            for field, text in error.violations
        ],
    )
    if error.retry_after_seconds:
        failure.retry_after.FromMilliseconds(round(error.retry_after_seconds * 1000))
    return failure


def from_failure(failure: exchange_pb2.CommandFailure) -> TallymarkError:
    """Return the error that the server raised."""
    return make_error(
        failure.reason,
        _STATUS_OF.get(failure.status, grpc.StatusCode.UNKNOWN),
        message=failure.message,
        violations=[(one.field, one.description) for one in failure.violations],
        retry_after_seconds=failure.retry_after.ToMilliseconds() / 1000,
        metadata=failure.metadata,
    )


@lru_cache
def _number_of(reason: Reason) -> int:
    return int(code_pb2.Code.Value(DESCRIPTIONS[reason].status))
