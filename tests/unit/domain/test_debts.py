"""Points that are to be taken back when they are spent or held already."""

from tallymark_server.domain.answers import ProcessAnswer, ReversalOutcome
from tallymark_server.domain.model.actions import (
    Ask,
    BurnPointsAsk,
    EarnPointsAsk,
    ReadPointsAsk,
)
from tallymark_server.domain.model.processes import Process, ProcessState
from tests.unit.domain.furniture import points
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld


def burn(number: int) -> BurnPointsAsk:
    return BurnPointsAsk(points=number)


def earn(number: int) -> EarnPointsAsk:
    return EarnPointsAsk(points=number)


def sold(world: SmallWorld, *asks: Ask) -> Process:
    """Sell and complete."""
    process = world.resolve(world.issue(), *asks)
    answer = world.complete(process)
    assert isinstance(answer, ProcessAnswer)
    return answer.process


def test_earned_points_that_were_spent_become_a_debt() -> None:
    world = SmallWorld()
    process = sold(world, earn(500))
    sold(world, burn(900))
    sold(world, burn(900))

    answer = world.reverse(process)

    assert answer.outcome is ReversalOutcome.COMPENSATED, "a debt never blocks"
    assert answer.reversal is not None
    assert answer.reversal.debt == 300
    assert [one.points for one in answer.reversal.postings] == [-200]
    assert (world.account().balance, world.account().debt) == (0, 300)


def test_burned_points_come_back_before_earned_ones_are_taken() -> None:
    world = SmallWorld()
    process = sold(world, earn(12), burn(900))
    sold(world, burn(612))
    assert world.account().balance == 0

    answer = world.reverse(process)

    assert answer.reversal is not None
    assert answer.reversal.debt == 0
    assert [one.points for one in answer.reversal.postings] == [900, -12]
    assert (world.account().balance, world.account().debt) == (888, 0)


def test_held_points_are_not_taken_back() -> None:
    world = SmallWorld()
    process = sold(world, earn(500))
    holding = world.resolve(world.issue(), burn(999))
    more = world.resolve(world.issue(), burn(901))

    world.reverse(process)

    assert (world.account().balance, world.account().debt) == (1_900, 400)
    for one in (holding, more):
        assert reason_of(world.complete(one)) == "OK"
    assert world.account().balance == 0


def test_redeeming_and_undoing_can_go_on_for_ever() -> None:
    world = SmallWorld()
    world.ask(points(1, "more"))

    for _ in range(25):
        process = sold(world, burn(900), earn(40))
        assert world.account().balance == 641
        assert world.reverse(process).outcome is ReversalOutcome.COMPENSATED

    assert (world.account().balance, world.account().debt) == (1_501, 0)
    assert world.resolve(world.issue(), ReadPointsAsk()).state is ProcessState.INSTRUCTED
