"""What a caller is told of an error: one of the contract as it is, of any other only that."""

import logging

from tallymark_protocol.errors import TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.lanes.lane import RETRY_AFTER_SECONDS
from tallymark_server.storage.store import StoreFailed

__all__ = ["as_told"]

_log = logging.getLogger(__name__)


def as_told(error: Exception, doing: str) -> TallymarkError:
    """Return the error that goes out; an unexpected one is INTERNAL, and its text is for the log.

    `doing` says in the log what failed.
    """
    if isinstance(error, TallymarkError):
        return error
    if isinstance(error, StoreFailed):
        return UnknownOutcome(Reason.STORE_FAILED, retry_after_seconds=RETRY_AFTER_SECONDS)
    _log.error("%s failed", doing, exc_info=error)
    return UnknownOutcome(Reason.INTERNAL)
