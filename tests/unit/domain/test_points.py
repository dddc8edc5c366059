"""Points: reading, earning, burning, and what a terminal may change them to."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import ProcessAnswer, RefusedAnswer
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    EarnPointsAsk,
    ReadPointsAsk,
    ReadPointsGrant,
    Refusal,
    RefusalReason,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tallymark_server.domain.model.registrations import AdmitDirection
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

READ = ReadPointsAsk()


def earn(points: int) -> EarnPointsAsk:
    return EarnPointsAsk(points=points)


def burn(points: int) -> BurnPointsAsk:
    return BurnPointsAsk(points=points)


def scan(world: SmallWorld, *asks: Ask) -> Process:
    return world.resolve(world.issue(), *asks)


def test_reading_tells_balance_and_what_is_free() -> None:
    world = SmallWorld()
    scan(world, burn(200))

    process = scan(world, READ)

    assert process.actions[0].grant == ReadPointsGrant(
        programme_id="beans", balance=1_500, available=1_300, version=1
    )


def test_burned_points_are_held_until_they_are_posted() -> None:
    world = SmallWorld()
    process = scan(world, burn(200), earn(12))

    assert (world.account().balance, world.account().held) == (1_500, 200)
    world.complete(process)

    assert (world.account().balance, world.account().held) == (1_312, 0)
    assert world.account("issuer").balance == -1_312 - world.account("ben").balance
    assert [one.points for one in world.again(process).postings] == [-200, 12]


@pytest.mark.parametrize(
    ("asks", "expected"),
    [
        ([burn(1_501)], Refusal(reason=RefusalReason.INSUFFICIENT_POINTS, points_available=1_500)),
        ([earn(501)], Refusal(reason=RefusalReason.POINTS_OVER_LIMIT)),
        (
            [earn(5), burn(1_501)],
            Refusal(reason=RefusalReason.INSUFFICIENT_POINTS, points_available=1_500),
        ),
    ],
)
def test_points_have_bounds(asks: list[Ask], expected: Refusal) -> None:
    world = SmallWorld()

    process = scan(world, *asks)

    assert process.refusal == expected
    assert world.account().held == 0


@pytest.mark.parametrize("ask", [READ, earn(1), burn(1)])
def test_a_merchant_without_a_programme_has_no_points(ask: Ask) -> None:
    world = SmallWorld()

    process = world.resolve(world.issue(), ask, by="gate-1")

    assert process.refusal == Refusal(reason=RefusalReason.NO_POINTS_PROGRAMME)


@pytest.mark.parametrize("asks", [[READ], [earn(60)], [burn(200)], [burn(200), earn(60)]])
@pytest.mark.parametrize("new_balance", [0, 1_299, 1_300, 1_500, 2_000])
def test_an_updated_balance_is_posted_on_completion(asks: list[Ask], new_balance: int) -> None:
    world = SmallWorld()
    world.set_policy(confirm_points_from=10_000)
    process = scan(world, *asks)

    answer = world.update_points(process, new_balance, version=1)

    assert reason_of(answer) == "OK"
    account = world.account()
    assert (account.balance, account.held) == (1_500, max(burned_by(asks), 1_500 - new_balance))
    world.complete(process)
    assert (world.account().balance, world.account().held) == (new_balance, 0)
    assert [one.points for one in world.again(process).postings] == [new_balance - 1_500]


def burned_by(asks: list[Ask]) -> int:
    return sum(ask.points for ask in asks if isinstance(ask, BurnPointsAsk))


def test_the_last_update_counts() -> None:
    world = SmallWorld()
    process = scan(world, READ)

    for new_balance in (1_000, 1_900, 1_200):
        world.update_points(process, new_balance, version=1)

    assert world.account().held == 300
    world.complete(process)
    assert world.account().balance == 1_200


@pytest.mark.parametrize(
    ("new_balance", "version", "expected"),
    [
        (1_500, 0, RefusedAnswer(reason=Reason.POINTS_VERSION_CONFLICT, metadata={"version": "1"})),
        (2_001, 1, RefusedAnswer(reason=Reason.POINTS_OVER_LIMIT, metadata={"limit": "500"})),
        (399, 1, RefusedAnswer(reason=Reason.POINTS_BELOW_HOLDS, metadata={"held": "400"})),
    ],
)
def test_an_update_stays_within_bounds_and_leaves_what_others_hold(
    new_balance: int, version: int, expected: RefusedAnswer
) -> None:
    world = SmallWorld()
    world.set_policy(confirm_points_from=10_000)
    scan(world, burn(400))
    process = scan(world, burn(100))

    assert world.update_points(process, new_balance, version=version) == expected
    assert world.account().held == 500
    allowed = world.update_points(process, 400, version=1)
    assert isinstance(allowed, ProcessAnswer)
    assert world.account().held == 1_500, "all the rest is held for this process"


def test_an_update_needs_a_points_action() -> None:
    world = SmallWorld()
    process = scan(world, AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY))

    answer = world.update_points(process, 1, version=1)

    assert reason_of(answer) == Reason.NO_POINTS_IN_PROCESS


def test_an_update_is_for_instructed_processes_of_the_same_terminal() -> None:
    world = SmallWorld()
    process = scan(world, READ)

    other = world.update_points(process, 1, version=1, by="till-2")
    world.move(seconds=60)
    world.fire(process)
    late = world.update_points(process, 1, version=1)

    assert reason_of(other) == Reason.PROCESS_NOT_FOUND
    assert late == RefusedAnswer(
        reason=Reason.PROCESS_NOT_INSTRUCTED, metadata={"state": "OVERDUE"}
    )


def test_a_released_update_holds_nothing() -> None:
    world = SmallWorld()
    process = scan(world, burn(100))
    world.update_points(process, 0, version=1)

    world.reverse(process)

    assert (world.account().balance, world.account().held) == (1_500, 0)
    assert world.again(process).state is ProcessState.RELEASED


def test_a_posting_of_another_process_does_not_spoil_an_update() -> None:
    world = SmallWorld()
    first = scan(world, READ)
    second = scan(world, earn(60))
    world.update_points(first, 1_400, version=1)

    world.complete(second)
    world.complete(first)

    assert world.account().balance == 1_460, "the difference is posted, not the balance"
