"""Recorded calls, as short as a test needs them."""

from collections.abc import Sequence

from tallymark_load.recorded import Logger, RecordedCall, RecordedMessage
from tallymark_load.replay.contracts import Contracts
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.plan import Plan, plan_of
from tallymark_load.replay.rules import ReplayRules
from tallymark_load.replay.signing import Signing

__all__ = ["RULES", "SECOND", "planned", "recorded"]

RULES = ReplayRules.of_tallymark()

SECOND = 1_000_000_000


def recorded(
    number: int,
    method: str,
    sent: Sequence[bytes],
    received: Sequence[bytes],
    *,
    status_code: int = 0,
) -> RecordedCall:
    """Return a call of one phone that began and was answered in its own second."""
    at = number * SECOND
    return RecordedCall(
        call_id=number,
        method=f"/tallymark.v1.{method}",
        logger=Logger.CLIENT,
        authority="",
        peer="phone",
        started_at_ns=at,
        metadata=(),
        sent=tuple(RecordedMessage(at_ns=at, body=body) for body in sent),
        half_closed_at_ns=at,
        received=tuple(RecordedMessage(at_ns=at + 1, body=body) for body in received),
        ended_at_ns=at + SECOND // 2,
        status_code=status_code,
        status_message="",
        status_details=b"",
        trailers=(),
        timeout_ns=None,
        is_truncated=False,
    )


def planned(calls: Sequence[RecordedCall], correlation: Correlation) -> Plan:
    """Return how they are to be replayed by the rules of tallymark.v1."""
    return plan_of(
        calls, contracts=Contracts(), rules=RULES, correlation=correlation, signing=Signing()
    )
