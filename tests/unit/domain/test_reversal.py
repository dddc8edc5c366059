"""Giving up and taking back: every outcome, and what is left behind."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import (
    ProcessAnswer,
    ReversalAnswer,
    ReversalOutcome,
    ReversalRefusal,
    SeenProcess,
)
from tallymark_server.domain.authorisation import CaptureResult, ReversalResult
from tallymark_server.domain.commands import ProcessName
from tallymark_server.domain.model.actions import (
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    EarnPointsAsk,
    ReadPointsAsk,
    Settlement,
)
from tallymark_server.domain.model.processes import Process, ProcessState, Unresolved
from tests.unit.domain.furniture import euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

WEEK_SECONDS = 7 * 24 * 3600
CHARGE = ChargeAsk(amount=euro(420))


def burn(number: int) -> BurnPointsAsk:
    return BurnPointsAsk(points=number)


def earn(number: int) -> EarnPointsAsk:
    return EarnPointsAsk(points=number)


def sold(world: SmallWorld, *asks: Ask) -> Process:
    """Sell and complete."""
    process = world.resolve(world.issue(), *asks)
    if process.state is ProcessState.AUTHORISING:
        world.authorised(process)
    answer = world.complete(process)
    assert isinstance(answer, ProcessAnswer)
    return answer.process


def test_what_was_not_executed_is_released() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), burn(100))

    first = world.reverse(process)
    again = world.reverse(process)

    assert first.outcome is again.outcome is ReversalOutcome.RELEASED
    assert world.account().held == 0
    assert reason_of(world.complete(process)) == Reason.PROCESS_NOT_INSTRUCTED


def test_a_process_is_named_by_the_terminals_own_request() -> None:
    world = SmallWorld()
    request = world.request("ResolveCode")
    process = world.resolve(world.issue(), burn(100), request=request)
    name = ProcessName(resolve_request_id=request.request_id)

    by_other = world.reverse(name, by="till-2")
    by_own = world.reverse(name)

    assert by_other == ReversalAnswer(outcome=ReversalOutcome.NEVER_SEEN)
    assert by_own.outcome is ReversalOutcome.RELEASED
    assert by_own.process is not None
    assert by_own.process.process_id == process.process_id


def test_a_request_that_was_reversed_before_it_arrived_is_refused_for_ever() -> None:
    world = SmallWorld()
    request = world.request("ResolveCode")
    name = ProcessName(resolve_request_id=request.request_id)
    code = world.issue()

    outcomes = [world.reverse(name).outcome for _ in range(2)]

    assert outcomes == [ReversalOutcome.NEVER_SEEN] * 2
    for _ in range(2):
        assert reason_of(world.try_resolve(code, CHARGE, request=request)) == (
            Reason.REQUEST_REVERSED
        )
    assert world.resolve(code, burn(1)).state is ProcessState.INSTRUCTED, "the code is still good"


def test_reversing_a_refused_request_finds_nothing_and_changes_nothing() -> None:
    world = SmallWorld()
    code = world.issue()
    world.move(seconds=60)
    request = world.request("ResolveCode")
    refused = world.try_resolve(code, CHARGE, request=request)

    answer = world.reverse(ProcessName(resolve_request_id=request.request_id))

    assert answer.outcome is ReversalOutcome.NEVER_SEEN
    assert world.try_resolve(code, CHARGE, request=request) == refused


def test_an_unknown_process_is_not_found() -> None:
    world = SmallWorld()
    process = sold(world, ReadPointsAsk())

    unknown = ProcessName(process_id="07" + "0" * 32)

    assert reason_of(world.try_reverse(unknown)) == Reason.PROCESS_NOT_FOUND
    assert reason_of(world.try_reverse(process, by="till-2")) == Reason.PROCESS_NOT_FOUND


def test_a_completed_process_is_undone_by_a_linked_one() -> None:
    world = SmallWorld()
    process = sold(world, burn(100), earn(30), ReadPointsAsk())

    answer = world.reverse(process)

    assert answer.outcome is ReversalOutcome.COMPENSATED
    assert answer.process is not None
    assert answer.reversal is not None
    assert answer.process.state is ProcessState.COMPLETED
    assert answer.process.reversed_by == answer.reversal.process_id
    assert answer.reversal.reverses == process.process_id
    assert [one.points for one in answer.reversal.postings] == [100, -30]
    assert world.account().balance == 1_500
    assert world.reverse(process) == answer, "the same again, by a new request"


def test_a_reversal_is_not_reversed() -> None:
    world = SmallWorld()
    reversal = world.reverse(sold(world, earn(1))).reversal
    assert reversal is not None

    answer = world.reverse(reversal)

    assert answer.outcome is ReversalOutcome.REFUSED
    assert answer.refused_because is ReversalRefusal.IS_REVERSAL


@pytest.mark.parametrize(
    ("late_milliseconds", "expected"),
    [(0, ReversalOutcome.COMPENSATED), (1, ReversalOutcome.REFUSED)],
)
def test_the_window_includes_its_last_millisecond(
    late_milliseconds: int, expected: ReversalOutcome
) -> None:
    world = SmallWorld()
    process = sold(world, earn(1))

    world.move(seconds=WEEK_SECONDS, milliseconds=late_milliseconds)
    answer = world.reverse(process)

    assert answer.outcome is expected
    if expected is ReversalOutcome.REFUSED:
        assert answer.refused_because is ReversalRefusal.WINDOW_OVER
        assert world.account().balance == 1_501


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([ReversalResult.REVERSED], ReversalOutcome.COMPENSATED),
        ([ReversalResult.NEVER_SEEN], ReversalOutcome.COMPENSATING),
        ([None], ReversalOutcome.COMPENSATING),
        ([ReversalResult.REFUSED], ReversalOutcome.COMPENSATING),
        ([None] * 6, ReversalOutcome.COMPENSATING),
    ],
)
def test_compensating_lasts_until_the_money_is_back(
    results: list[ReversalResult | None], expected: ReversalOutcome
) -> None:
    world = SmallWorld()
    process = sold(world, CHARGE)
    first = world.reverse(process)
    assert first.outcome is ReversalOutcome.COMPENSATING
    assert first.reversal is not None

    for attempt, result in enumerate(results):
        world.settled(first.reversal, result, attempt=attempt)

    assert world.reverse(process).outcome is expected


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        (None, Settlement.RELEASED),
        (CaptureResult.CAPTURED, Settlement.SETTLED),
        (CaptureResult.REFUSED, Settlement.MANUAL),
    ],
)
def test_an_open_capture_is_given_up_when_it_is_undone(
    captured: CaptureResult | None, expected: Settlement
) -> None:
    world = SmallWorld()
    process = sold(world, CHARGE)
    if captured:
        world.settled(process, captured)

    world.reverse(process)

    action = world.again(process).actions[0]
    assert action.settlement is expected
    assert action.authorisation is not None
    assert action.authorisation.task is None
    assert (expected is Settlement.MANUAL) == bool(world.all(Unresolved))


def test_a_repeated_resolve_of_a_reversed_process_still_names_it() -> None:
    world = SmallWorld()
    request = world.request("ResolveCode")
    code = world.issue()
    process = world.resolve(code, burn(1), request=request)
    world.reverse(process)

    again = world.try_resolve(code, burn(1), request=request)

    assert again == SeenProcess(process_id=process.process_id)
