"""Approvals that come after their reversal, and calls that the institution rejects."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.actions import charge
from tallymark_server.domain.answers import Done
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.model.actions import (
    Action,
    Authorisation,
    ChargeAsk,
    ReadPointsAsk,
    Settlement,
    SettlementTask,
)
from tallymark_server.domain.model.processes import Due, Process, ProcessState, Unresolved
from tallymark_server.domain.processes import outcomes, settling
from tallymark_server.domain.processes.settling import LOOK_SECONDS
from tests.doubles.mutant import Mutant, plant
from tests.unit.domain.furniture import euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

APPROVED = AuthorisationResult(answer=AuthorisationAnswer.APPROVED, approved_minor_units=420)
DECLINED = AuthorisationResult(answer=AuthorisationAnswer.NOT_HONOURED)
NEVER_SEEN = AuthorisationLookup(state=AuthorisationState.NEVER_SEEN)
HELD = AuthorisationLookup(state=AuthorisationState.DECIDED, result=APPROVED)
PENDING, RELEASED = Settlement.RELEASE_PENDING, Settlement.RELEASED
REVERSE, RECHECK = SettlementTask.REVERSE, SettlementTask.RECHECK


def given_up(world: SmallWorld) -> Process:
    """Return a process that was reversed before anybody knew what became of its charge."""
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.reverse(process)
    return process


def action_of(world: SmallWorld, process: Process) -> Action:
    return world.again(process).actions[0]


def authorisation_of(world: SmallWorld, process: Process) -> Authorisation:
    authorisation = action_of(world, process).authorisation
    assert authorisation is not None
    return authorisation


def stands(world: SmallWorld, process: Process) -> tuple[SettlementTask | None, Settlement]:
    return authorisation_of(world, process).task, action_of(world, process).settlement


def waits_for_a_person(world: SmallWorld, process: Process) -> bool:
    is_listed = [row.process_id for row in world.all(Unresolved)] == [process.process_id]
    assert is_listed == (stands(world, process) == (None, Settlement.MANUAL))
    return is_listed


@pytest.mark.parametrize("result", [ReversalResult.REVERSED, ReversalResult.NEVER_SEEN])
def test_what_was_reversed_unheard_is_looked_up_twice_before_it_counts_as_released(
    result: ReversalResult,
) -> None:
    world = SmallWorld()
    process = given_up(world)

    world.settled(process, result)
    for _ in range(2):
        (due,) = world.all(Due)
        assert due.due_at == world.now + 120_000
        assert stands(world, process) == (RECHECK, PENDING)
        world.now = due.due_at
        world.rechecked(process, NEVER_SEEN)

    assert stands(world, process) == (None, RELEASED)
    assert not world.all(Due)


def test_what_was_heard_and_reversed_needs_no_look() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(process)
    world.reverse(process)

    world.settled(process, ReversalResult.REVERSED)

    assert stands(world, process) == (None, RELEASED)


@pytest.mark.parametrize(
    ("lookup", "expected"),
    [
        (HELD, REVERSE),
        (AuthorisationLookup(state=AuthorisationState.CAPTURED, result=APPROVED), REVERSE),
        (AuthorisationLookup(state=AuthorisationState.UNKNOWN), REVERSE),
        (AuthorisationLookup(state=AuthorisationState.DECIDED, result=DECLINED), RECHECK),
        (AuthorisationLookup(state=AuthorisationState.REVERSED, result=APPROVED), RECHECK),
        (AuthorisationLookup(state=AuthorisationState.REVERSED), RECHECK),
        (NEVER_SEEN, RECHECK),
        (None, RECHECK),
    ],
)
def test_whatever_may_hold_money_is_reversed_again(
    lookup: AuthorisationLookup | None, expected: SettlementTask
) -> None:
    world = SmallWorld()
    process = given_up(world)
    world.settled(process, ReversalResult.NEVER_SEEN)

    world.rechecked(process, lookup)

    assert stands(world, process) == (expected, PENDING)
    due_at = world.now if expected is REVERSE else authorisation_of(world, process).due_at
    assert [row.due_at for row in world.all(Due)] == [due_at]


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_an_approval_that_comes_after_its_reversal_is_reversed_again(looks: int) -> None:
    world = SmallWorld()
    process = given_up(world)
    world.settled(process, ReversalResult.NEVER_SEEN)
    for _ in range(looks):
        world.rechecked(process, NEVER_SEEN)

    answer = world.authorised(process)

    assert answer == Done(count=1)
    assert stands(world, process) == (REVERSE, PENDING)
    assert world.again(process).state is ProcessState.RELEASED
    world.settled(process, ReversalResult.REVERSED)
    assert stands(world, process) == (RECHECK, PENDING), "and looked up again"


def test_a_look_counts_only_if_the_server_saw_the_time_pass_since_the_one_before() -> None:
    """A clock that was moved before the start makes a look due that should come much later."""
    world = SmallWorld()
    process = given_up(world)
    world.settled(process, ReversalResult.NEVER_SEEN)

    for _ in range(3):
        started = world.now - 1000 * LOOK_SECONDS + 1
        world.rechecked(process, NEVER_SEEN, serving_since=started)
        assert stands(world, process) == (RECHECK, PENDING)

    for _ in range(charge.LOOKS):
        world.rechecked(process, NEVER_SEEN, serving_since=world.now - 1000 * LOOK_SECONDS)
    assert stands(world, process) == (None, Settlement.RELEASED)


def test_looks_that_always_count_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(Mutant(settling, "_looked_up", "counts = ", "counts = True or "), monkeypatch)

    with pytest.raises(AssertionError):
        test_a_look_counts_only_if_the_server_saw_the_time_pass_since_the_one_before()


def test_a_late_approval_that_is_forgotten_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only what comes after both looks depends on it: before, a look finds it."""
    bug = Mutant(outcomes, "_take_in_late", "is_told = ", "return Done()\n    is_told = ")
    plant(bug, monkeypatch)

    with pytest.raises(AssertionError):
        test_an_approval_that_comes_after_its_reversal_is_reversed_again(looks=2)


def test_a_reversal_that_is_not_looked_up_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bug = Mutant(settling, "_released", "if not authorisation.looks_left:", "if said != 'never':")
    plant(bug, monkeypatch)

    with pytest.raises(AssertionError):
        test_an_approval_that_comes_after_its_reversal_is_reversed_again(looks=0)


def test_a_look_that_changes_nothing_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(Mutant(settling, "record_recheck", "command.lookup.may_hold_money", "False"), monkeypatch)

    with pytest.raises(AssertionError):
        test_whatever_may_hold_money_is_reversed_again(HELD, REVERSE)


@pytest.mark.parametrize(
    "late", [AuthorisationAnswer.NOT_HONOURED, AuthorisationAnswer.REVERSED_BEFORE, None]
)
def test_a_late_answer_that_holds_nothing_changes_nothing(late: AuthorisationAnswer | None) -> None:
    world = SmallWorld()
    process = given_up(world)
    world.settled(process, ReversalResult.NEVER_SEEN)

    assert world.authorised(process, late, approved_minor_units=0) == Done()

    assert stands(world, process) == (RECHECK, PENDING)


def test_an_approval_after_a_decline_is_reversed() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(process, AuthorisationAnswer.NOT_HONOURED, approved_minor_units=0)
    assert world.again(process).state is ProcessState.DECLINED

    world.authorised(process)

    assert stands(world, process) == (REVERSE, PENDING)
    assert world.again(process).state is ProcessState.DECLINED


def test_a_repeated_approval_of_a_charge_that_stands_changes_nothing() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(process)

    assert world.authorised(process) == Done()

    assert stands(world, process) == (None, Settlement.HELD)


def test_an_institution_that_holds_again_and_again_needs_a_person() -> None:
    world = SmallWorld()
    process = given_up(world)

    for _ in range(3):
        world.settled(process, ReversalResult.REVERSED)
        world.rechecked(process, HELD)
        assert stands(world, process) == (REVERSE, PENDING)
    world.settled(process, ReversalResult.REVERSED)
    world.rechecked(process, HELD, said="DECIDED")

    assert waits_for_a_person(world, process)
    assert authorisation_of(world, process).said == "DECIDED"


def test_a_capture_is_raised_to_a_person_after_six_rejections_but_never_for_silence() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(process)
    world.complete(process)

    for attempt in range(11):
        assert stands(world, process)[1] is Settlement.CAPTURE_PENDING
        is_rejected = attempt >= 5
        world.settled(process, None, attempt=attempt, is_rejected=is_rejected, said=str(attempt))

    assert waits_for_a_person(world, process)
    assert authorisation_of(world, process).said == "10"
    assert authorisation_of(world, process).attempts == 11


def test_a_rejected_reversal_is_tried_six_times_too() -> None:
    world = SmallWorld()
    process = given_up(world)

    for attempt in range(6):
        assert stands(world, process) == (REVERSE, PENDING)
        world.settled(process, None, attempt=attempt, is_rejected=True)

    assert waits_for_a_person(world, process)


@pytest.mark.parametrize("is_rejected", [False, True])
def test_a_look_is_repeated_through_silence_but_not_through_rejections(
    *, is_rejected: bool
) -> None:
    world = SmallWorld()
    process = given_up(world)
    world.settled(process, ReversalResult.REVERSED)

    for attempt in range(6):
        assert stands(world, process) == (RECHECK, PENDING)
        world.rechecked(process, None, attempt=attempt, is_rejected=is_rejected)

    assert waits_for_a_person(world, process) == is_rejected


def test_only_the_open_attempt_of_a_look_counts() -> None:
    world = SmallWorld()
    process = given_up(world)
    early = world.rechecked(process, HELD)
    world.settled(process, ReversalResult.REVERSED)
    world.rechecked(process, None)

    old = world.rechecked(process, HELD, attempt=0)

    assert early == old == Done()
    assert stands(world, process) == (RECHECK, PENDING)


def test_a_person_settles_what_turned_up_too_often_and_may_say_so_twice() -> None:
    world = SmallWorld()
    process = given_up(world)
    world.settled(process, ReversalResult.REFUSED)
    assert waits_for_a_person(world, process)

    first = world.settle(process, executed=False)
    again = world.settle(process, executed=False)

    assert first == again
    assert stands(world, process) == (None, RELEASED)
    world.authorised(process)
    assert stands(world, process) == (REVERSE, PENDING), "an approval that comes even later"


@pytest.mark.parametrize(
    ("result", "expected"),
    [(CaptureResult.REFUSED, "REFUSED"), (CaptureResult.CAPTURED, "CAPTURED"), (None, "silent")],
)
def test_what_the_institution_said_last_is_kept(
    result: CaptureResult | None, expected: str
) -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(process)
    world.complete(process)

    world.settled(process, result, said=expected)

    assert authorisation_of(world, process).said == expected


def test_an_institution_that_was_away_is_told_again_when_a_person_says_so() -> None:
    world = SmallWorld()
    process = given_up(world)
    for attempt in range(6):
        world.settled(process, None, attempt=attempt)
    assert waits_for_a_person(world, process)

    first = world.tell_again(process)
    again = world.tell_again(process)

    assert first == again, "it is being told already"
    assert stands(world, process) == (REVERSE, PENDING)
    assert not world.all(Unresolved)
    assert [row.due_at for row in world.all(Due)] == [world.now]
    world.settled(process, ReversalResult.REVERSED)
    assert stands(world, process) == (RECHECK, PENDING)


def test_a_refused_capture_is_told_again_when_a_person_says_so() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ReadPointsAsk(), ChargeAsk(amount=euro(420)))
    world.authorised(process)
    world.complete(process)
    world.settled(process, CaptureResult.REFUSED)

    world.tell_again(process)

    assert world.again(process).actions[1].settlement is Settlement.CAPTURE_PENDING
    world.settled(process, CaptureResult.CAPTURED)
    assert world.again(process).actions[1].settlement is Settlement.SETTLED
    assert reason_of(world.tell_again(process)) == Reason.PROCESS_NOT_UNRESOLVED


def test_only_what_was_left_to_a_person_is_told_again() -> None:
    world = SmallWorld()
    overdue = world.resolve(world.issue(), ChargeAsk(amount=euro(420)))
    world.authorised(overdue)
    world.now = world.again(overdue).timer_at
    world.fire(world.again(overdue))

    assert reason_of(world.tell_again(overdue)) == Reason.PROCESS_NOT_UNRESOLVED
