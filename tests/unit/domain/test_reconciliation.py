"""Where two records of a charge differ, and where they only seem to."""

import msgspec
import pytest

from tallymark_server.domain.authorisation import (
    AuthorisationState,
    CaptureResult,
    ListedAuthorisation,
    ReversalResult,
)
from tallymark_server.domain.model.actions import ChargeAsk, ReadPointsAsk
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.money import Money
from tallymark_server.domain.reconciliation import (
    Charge,
    DifferenceKind,
    charges_of,
    compare,
    sums,
)
from tests.unit.domain.furniture import euro
from tests.unit.domain.small_world import SmallWorld

NEVER_SEEN, UNKNOWN = AuthorisationState.NEVER_SEEN, AuthorisationState.UNKNOWN
DECIDED, CAPTURED = AuthorisationState.DECIDED, AuthorisationState.CAPTURED
REVERSED = AuthorisationState.REVERSED
ONLY_HERE, ONLY_THERE = DifferenceKind.ONLY_HERE, DifferenceKind.ONLY_THERE
AMOUNT, STATE = DifferenceKind.AMOUNT, DifferenceKind.STATE


def asked(world: SmallWorld) -> Process:
    return world.resolve(world.issue(), ReadPointsAsk(), ChargeAsk(amount=euro(420)))


def held(world: SmallWorld) -> Process:
    process = asked(world)
    world.authorised(process)
    return process


def completed(world: SmallWorld) -> Process:
    process = held(world)
    world.complete(process)
    return process


def taken(world: SmallWorld) -> Process:
    process = completed(world)
    world.settled(process, CaptureResult.CAPTURED)
    return process


def refused(world: SmallWorld) -> Process:
    process = completed(world)
    world.settled(process, CaptureResult.REFUSED)
    return process


def given_up(world: SmallWorld) -> Process:
    process = held(world)
    world.reverse(process)
    return process


def released(world: SmallWorld) -> Process:
    process = given_up(world)
    world.settled(process, ReversalResult.REVERSED)
    return process


def being_undone(world: SmallWorld) -> Process:
    process = taken(world)
    world.reverse(process)
    return process


def undone(world: SmallWorld) -> Process:
    process = taken(world)
    reversal = world.reverse(process).reversal
    assert reversal is not None
    world.settled(reversal, ReversalResult.REVERSED)
    return process


def settled_by_hand(world: SmallWorld) -> Process:
    process = taken(world)
    reversal = world.reverse(process).reversal
    assert reversal is not None
    world.settled(reversal, ReversalResult.REFUSED)
    world.settle(reversal, executed=True)
    return process


STORIES = {
    story.__name__: story
    for story in (
        asked,
        held,
        completed,
        taken,
        refused,
        given_up,
        released,
        being_undone,
        undone,
        settled_by_hand,
    )
}

UNDER_WAY = {"asked", "held", "completed", "given_up", "being_undone"}
"""Stories that are not over, so that a difference may end by itself."""


def charge_here(story: str) -> Charge:
    world = SmallWorld()
    process = world.again(STORIES[story](world))
    reversal = world.again_by_id(process.reversed_by) if process.reversed_by else None
    (charge,) = charges_of(process, reversal)
    return charge


def line(state: AuthorisationState, minor_units: int) -> ListedAuthorisation:
    return ListedAuthorisation(
        authorisation_id="a",
        state=state,
        amount=euro(minor_units) if minor_units else None,
        arrived_at=1,
    )


@pytest.mark.parametrize(
    ("story", "state", "minor_units", "expected"),
    [
        ("asked", NEVER_SEEN, 0, None),
        ("asked", UNKNOWN, 0, STATE),
        ("asked", DECIDED, 420, STATE),
        ("held", DECIDED, 420, None),
        ("held", DECIDED, 419, AMOUNT),
        ("held", CAPTURED, 420, STATE),
        ("held", REVERSED, 0, STATE),
        ("completed", CAPTURED, 420, None),
        ("completed", DECIDED, 420, STATE),
        ("taken", CAPTURED, 420, None),
        ("taken", CAPTURED, 840, AMOUNT),
        ("taken", DECIDED, 420, STATE),
        ("taken", REVERSED, 0, STATE),
        ("refused", DECIDED, 420, STATE),
        ("refused", CAPTURED, 420, None),
        ("given_up", DECIDED, 420, STATE),
        ("given_up", REVERSED, 0, None),
        ("released", REVERSED, 0, None),
        ("released", NEVER_SEEN, 0, None),
        ("released", DECIDED, 0, None),
        ("released", DECIDED, 420, STATE),
        ("released", CAPTURED, 420, STATE),
        ("being_undone", CAPTURED, 420, STATE),
        ("being_undone", REVERSED, 0, None),
        ("undone", REVERSED, 0, None),
        ("undone", CAPTURED, 420, STATE),
        ("settled_by_hand", REVERSED, 0, None),
        ("settled_by_hand", CAPTURED, 420, STATE),
    ],
)
def test_a_charge_differs_unless_both_sides_have_it_alike(
    story: str, state: AuthorisationState, minor_units: int, expected: DifferenceKind | None
) -> None:
    difference = compare("a", charge_here(story), line(state, minor_units))

    assert (difference.kind if difference else None) == expected
    if difference:
        assert difference.is_under_way == (story in UNDER_WAY)


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("asked", None),
        ("held", ONLY_HERE),
        ("completed", ONLY_HERE),
        ("taken", ONLY_HERE),
        ("given_up", None),
        ("released", None),
        ("undone", None),
    ],
)
def test_what_is_not_listed_there_matters_if_it_counts_here(
    story: str, expected: DifferenceKind | None
) -> None:
    difference = compare("a", charge_here(story), None)

    assert (difference.kind if difference else None) == expected


@pytest.mark.parametrize("state", [UNKNOWN, DECIDED, CAPTURED, REVERSED])
def test_what_nobody_here_knows_is_a_difference_that_does_not_end_by_itself(
    state: AuthorisationState,
) -> None:
    difference = compare("a", None, line(state, 0))

    assert difference is not None
    assert (difference.kind, difference.is_under_way) == (ONLY_THERE, False)


def test_amounts_in_other_currencies_differ() -> None:
    there = msgspec.structs.replace(
        line(CAPTURED, 420), amount=Money(currency_code="JPY", minor_units=420)
    )

    difference = compare("a", charge_here("taken"), there)

    assert difference is not None
    assert difference.kind is AMOUNT


def test_sums_are_made_for_each_currency() -> None:
    yen = Money(currency_code="JPY", minor_units=5)

    assert sums([yen, None, euro(2), euro(3)]) == [euro(5), yen]
