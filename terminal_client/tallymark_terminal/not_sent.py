"""Says why nothing could be asked: the server is away, or does not accept this terminal."""

from datetime import datetime

from tallymark_protocol.errors import Refused, TallymarkError
from tallymark_protocol.reasons import Reason
from tallymark_terminal.code_check import RefusedHere
from tallymark_terminal.identity import Certificate
from tallymark_terminal.repeating import is_not_accepted
from tallymark_terminal.sale_results import Outcome, SaleResult

__all__ = ["not_sent", "refused_here"]


def not_sent(error: TallymarkError, *, certificate: Certificate, own_time: datetime) -> SaleResult:
    """Return that nothing was done, because even keys and time could not be read.

    An expired certificate opens no connection, and then no answer can say so. So the terminal's own
    clock may: here nothing hangs on its being right.
    """
    if is_not_accepted(error):
        outcome, reason = Outcome.NOT_ACCEPTED, error.reason
    elif isinstance(error, Refused):
        outcome, reason = Outcome.REFUSED, error.reason
    elif error.reason is None and own_time >= certificate.expires_at:
        outcome, reason = Outcome.NOT_ACCEPTED, Reason.CERTIFICATE_EXPIRED
    else:
        outcome, reason = Outcome.NOT_SENT, error.reason
    return SaleResult(outcome=outcome, reason=reason, message=error.message)


def refused_here(refused: RefusedHere) -> SaleResult:
    """Return how a scan ends whose code the terminal's own check refused."""
    return SaleResult(
        outcome=Outcome.REFUSED_HERE,
        reason=refused.reason,
        message=str(refused),
        check_step=refused.step,
        seen_at=refused.seen_at,
    )
