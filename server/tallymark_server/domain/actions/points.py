"""Points: read at once, earned on completion, burned on completion and held until then."""

from tallymark_server.domain import ledger
from tallymark_server.domain.actions.refused import ActionRefused
from tallymark_server.domain.frozen import refuse_frozen
from tallymark_server.domain.model.actions import (
    BurnPointsAsk,
    BurnPointsGrant,
    EarnPointsAsk,
    EarnPointsGrant,
    ReadPointsGrant,
    RefusalReason,
)
from tallymark_server.domain.model.merchants import PointsProgramme
from tallymark_server.domain.model.people import Customer
from tallymark_server.domain.model.processes import Posting, Process
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Draft

__all__ = [
    "grant_burn",
    "grant_earn",
    "grant_read",
    "post_burn",
    "post_earn",
    "release_burn",
]


def grant_read(draft: Draft, process: Process, customer: Customer) -> ReadPointsGrant:
    """Tell what the account holds."""
    programme = _programme(draft, process)
    account = ledger.account_of(draft, customer, programme.programme_id)
    return ReadPointsGrant(
        programme_id=programme.programme_id,
        balance=account.balance,
        available=account.available,
        version=account.version,
    )


def grant_earn(
    draft: Draft, process: Process, customer: Customer, ask: EarnPointsAsk
) -> EarnPointsGrant:
    """Check the programme's bound."""
    programme = _programme(draft, process)
    if ask.points > programme.earn_points_max:
        raise ActionRefused(RefusalReason.POINTS_OVER_LIMIT)
    account = ledger.account_of(draft, customer, programme.programme_id)
    return EarnPointsGrant(
        programme_id=programme.programme_id,
        points=ask.points,
        balance_before=account.balance,
        version=account.version,
    )


def grant_burn(
    draft: Draft, process: Process, customer: Customer, ask: BurnPointsAsk
) -> BurnPointsGrant:
    """Hold the points and tell their worth."""
    programme = _programme(draft, process)
    account = ledger.account_of(draft, customer, programme.programme_id)
    refuse_frozen(draft, customer.registered_at)
    if account.available < ask.points:
        raise ActionRefused(RefusalReason.INSUFFICIENT_POINTS, points_available=account.available)
    ledger.change_hold(draft, account, ask.points)
    value = programme.point_value
    return BurnPointsGrant(
        programme_id=programme.programme_id,
        points=ask.points,
        value=Money(currency_code=value.currency_code, minor_units=value.minor_units * ask.points),
        balance_before=account.balance,
        version=account.version,
    )


def release_burn(draft: Draft, customer: Customer, granted: BurnPointsGrant) -> None:
    """Let go of the held points."""
    account = ledger.account_of(draft, customer, granted.programme_id)
    ledger.change_hold(draft, account, -granted.points)


def post_burn(draft: Draft, customer: Customer, granted: BurnPointsGrant) -> Posting:
    """Take the held points."""
    release_burn(draft, customer, granted)
    return ledger.post(draft, customer, granted.programme_id, -granted.points)


def post_earn(draft: Draft, customer: Customer, granted: EarnPointsGrant) -> Posting:
    """Add the points."""
    return ledger.post(draft, customer, granted.programme_id, granted.points)


def _programme(draft: Draft, process: Process) -> PointsProgramme:
    if not process.programme_id:
        raise ActionRefused(RefusalReason.NO_POINTS_PROGRAMME)
    programme = draft.get(PointsProgramme.key_of(process.programme_id))
    assert programme is not None, "a merchant's programme exists"
    return programme
