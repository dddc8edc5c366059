"""What the credit institution and the clock say, in time, late, or never."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import Done
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.model.actions import (
    BurnPointsAsk,
    ChargeAsk,
    Refusal,
    RefusalReason,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.processes import Due, Process, ProcessState, Unresolved
from tests.unit.domain.furniture import euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

CHARGE = ChargeAsk(amount=euro(420))
NOT_TAKEN = Done()


def asked(world: SmallWorld) -> Process:
    """Return a process that is being authorised."""
    return world.resolve(world.issue(), BurnPointsAsk(points=100), CHARGE)


def task_of(world: SmallWorld, process: Process) -> tuple[SettlementTask | None, Settlement]:
    action = world.again(process).actions[1]
    assert action.authorisation is not None
    return action.authorisation.task, action.settlement


@pytest.mark.parametrize(
    ("answer", "approved", "expected"),
    [
        (AuthorisationAnswer.PARTIALLY_APPROVED, 200, RefusalReason.PARTIAL_APPROVAL),
        (AuthorisationAnswer.APPROVED, 419, RefusalReason.PARTIAL_APPROVAL),
        (AuthorisationAnswer.APPROVED, 421, RefusalReason.PARTIAL_APPROVAL),
        (AuthorisationAnswer.INSUFFICIENT_FUNDS, 0, RefusalReason.INSUFFICIENT_FUNDS),
        (AuthorisationAnswer.CARD_EXPIRED, 0, RefusalReason.CARD_EXPIRED),
        (AuthorisationAnswer.CARD_BLOCKED, 0, RefusalReason.CARD_BLOCKED),
        (AuthorisationAnswer.SUSPECTED_FRAUD, 0, RefusalReason.SUSPECTED_FRAUD),
        (AuthorisationAnswer.NOT_HONOURED, 0, RefusalReason.NOT_HONOURED),
        (AuthorisationAnswer.REVERSED_BEFORE, 0, RefusalReason.NOT_HONOURED),
    ],
)
def test_a_declined_card_releases_everything(
    answer: AuthorisationAnswer, approved: int, expected: RefusalReason
) -> None:
    world = SmallWorld()
    process = asked(world)

    world.authorised(process, answer, approved_minor_units=approved)

    after = world.again(process)
    assert after.state is ProcessState.DECLINED
    assert after.refusal == after.actions[1].refusal == Refusal(reason=expected)
    assert world.account().held == 0
    if answer.holds_money:
        assert task_of(world, process) == (SettlementTask.REVERSE, Settlement.RELEASE_PENDING)
    else:
        assert task_of(world, process) == (None, Settlement.NONE)


def test_an_unknown_answer_is_asked_for_again() -> None:
    world = SmallWorld()
    process = asked(world)

    world.authorised(process, None)
    repeated = world.authorised(process, None)
    old = world.authorised(process, AuthorisationAnswer.APPROVED)

    assert repeated == old == NOT_TAKEN, "only the open attempt counts"
    assert world.again(process).state is ProcessState.AUTHORISING
    times = [row.due_at for row in world.all(Due) if row.action == 1]
    assert times == [world.now + 2_000]
    world.authorised(process, AuthorisationAnswer.APPROVED, attempt=1)
    assert world.again(process).state is ProcessState.INSTRUCTED


@pytest.mark.parametrize("off_by", [-1, 0])
def test_an_institution_that_never_answers_is_given_up_and_told_so(off_by: int) -> None:
    world = SmallWorld()
    process = asked(world)
    world.now += 120_000 + off_by

    answer = world.fire(process)

    if off_by:
        assert answer == NOT_TAKEN
        assert world.again(process).state is ProcessState.AUTHORISING
        return
    assert world.again(process).state is ProcessState.EXPIRED
    assert world.again(process).refusal == Refusal(reason=RefusalReason.INSTITUTION_UNREACHABLE)
    assert task_of(world, process) == (SettlementTask.REVERSE, Settlement.RELEASE_PENDING)
    late = world.authorised(process, AuthorisationAnswer.APPROVED)
    assert late == NOT_TAKEN, "it is being reversed already, and looked up after that"


def test_authorising_ends_when_the_process_closes() -> None:
    world = SmallWorld()
    world.set_policy(confirm_within_seconds=170)
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(5_000)))
    world.move(seconds=169)

    world.confirm(process)

    assert world.again(process).timer_at == process.closes_at


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (CaptureResult.CAPTURED, Settlement.SETTLED),
        (CaptureResult.REFUSED, Settlement.MANUAL),
        (CaptureResult.NEVER_SEEN, Settlement.MANUAL),
    ],
)
def test_a_capture_is_settled_or_raised_to_a_person(
    result: CaptureResult, expected: Settlement
) -> None:
    world = SmallWorld()
    process = asked(world)
    world.authorised(process)
    world.complete(process)

    world.settled(process, result)

    assert task_of(world, process) == (None, expected)
    assert bool(world.all(Unresolved)) == (expected is Settlement.MANUAL)
    assert world.again(process).state is ProcessState.COMPLETED


def test_a_capture_is_repeated_until_it_is_answered_at_least_once_an_hour() -> None:
    world = SmallWorld()
    process = asked(world)
    world.authorised(process)
    world.complete(process)
    waits = []

    for attempt in range(12):
        world.settled(process, None, attempt=attempt)
        (row,) = world.all(Due)
        waits.append((row.due_at - world.now) // 1_000)

    assert waits[:9] == [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560]
    assert set(waits[9:]) == {3_600}


def test_a_reversal_is_raised_to_a_person_after_six_tries() -> None:
    world = SmallWorld()
    process = asked(world)
    world.reverse(process)

    for attempt in range(6):
        assert task_of(world, process)[0] is SettlementTask.REVERSE
        world.settled(process, None, attempt=attempt)

    assert task_of(world, process) == (None, Settlement.MANUAL)
    assert [row.process_id for row in world.all(Unresolved)] == [process.process_id]
    assert world.settled(process, ReversalResult.REVERSED, attempt=6) == NOT_TAKEN


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ReversalResult.REVERSED, Settlement.RELEASED),
        (ReversalResult.REFUSED, Settlement.MANUAL),
    ],
)
def test_a_reversal_ends_released_or_with_a_person(
    result: ReversalResult, expected: Settlement
) -> None:
    world = SmallWorld()
    process = asked(world)
    world.authorised(process)
    world.reverse(process)

    world.settled(process, result)

    assert task_of(world, process) == (None, expected)
    assert world.again(process).state is ProcessState.RELEASED


@pytest.mark.parametrize(("off_by", "expected"), [(-1, "OK"), (0, Reason.PROCESS_NOT_AWAITING)])
def test_an_answer_counts_until_just_before_its_time_is_over(off_by: int, expected: str) -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(5_000)))
    assert process.confirm_by == world.now + 45_000

    world.now = process.confirm_by + off_by
    answer = world.confirm(process)

    assert reason_of(answer) == expected


def test_a_silent_customer_ends_the_process() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(5_000)))
    world.now = process.confirm_by

    world.fire(process)

    assert world.again(process).state is ProcessState.EXPIRED
    assert world.again(process).refusal == Refusal(reason=RefusalReason.CUSTOMER_SILENT)
    assert not world.all(Due), "nobody was asked, so nobody is told"


def test_what_was_instructed_is_overdue_but_never_released_by_the_clock() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), BurnPointsAsk(points=100))
    world.now = process.execute_by

    world.fire(process)
    world.move(seconds=1_000_000)
    stale = world.fire(process)
    timeless = world.fire(process, timer_at=0)

    assert stale == timeless == NOT_TAKEN
    assert world.again(process).state is ProcessState.OVERDUE
    assert world.account().held == 100
    assert reason_of(world.complete(process)) == "OK", "the terminal's word still counts"


def test_outcomes_of_unknown_processes_change_nothing() -> None:
    world = SmallWorld()
    process = asked(world)
    known = dict(world.rows)
    del world.rows[process.key]

    answers = [
        world.fire(process),
        world.authorised(process),
        world.settled(process, CaptureResult.CAPTURED),
    ]

    assert answers == [NOT_TAKEN] * 3
    assert world.rows.keys() == known.keys() - {process.key}
