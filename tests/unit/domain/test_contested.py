"""A second terminal, or the customer, says that something is wrong."""

import msgspec
import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.authorisation import AuthorisationAnswer
from tallymark_server.domain.model.actions import BurnPointsAsk, ChargeAsk, RefusalReason
from tallymark_server.domain.model.processes import Code, Process, ProcessState, Unresolved
from tests.unit.domain.furniture import euro
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import SmallWorld

CHARGE = ChargeAsk(amount=euro(420))
BURN = BurnPointsAsk(points=100)
INSTRUCTED, CONTESTED = ProcessState.INSTRUCTED, ProcessState.CONTESTED


def charged(world: SmallWorld, *, answered: bool = True) -> tuple[Code, Process]:
    """Return a claimed code and its unconfirmed charge."""
    code = world.issue()
    process = world.resolve(code, CHARGE, BURN)
    if answered:
        world.authorised(process)
    return code, world.again(process)


def test_a_second_terminal_freezes_an_unconfirmed_charge() -> None:
    world = SmallWorld()
    code, process = charged(world)

    answer = world.try_resolve(code, CHARGE, by="till-2")

    assert reason_of(answer) == Reason.CODE_ALREADY_CLAIMED
    assert world.again(process).state is CONTESTED
    assert reason_of(world.complete(process)) == Reason.PROCESS_CONTESTED
    assert [row.process_id for row in world.all(Unresolved)] == [process.process_id]


def test_the_same_terminal_contests_nothing() -> None:
    world = SmallWorld()
    code, process = charged(world)

    answer = world.try_resolve(code, CHARGE)

    assert reason_of(answer) == Reason.CODE_ALREADY_CLAIMED
    assert world.again(process) == process


def test_a_confirmed_charge_is_not_contested() -> None:
    world = SmallWorld()
    code = world.issue()
    process = world.resolve(code, ChargeAsk(amount=euro(5_000)))
    world.confirm(process)
    world.authorised(world.again(process))

    world.try_resolve(code, CHARGE, by="till-2")

    assert world.again(process).state is INSTRUCTED


def test_without_money_nothing_is_contested() -> None:
    world = SmallWorld()
    code = world.issue()
    process = world.resolve(code, BURN)

    world.try_resolve(code, CHARGE, by="till-2")

    assert world.again(process).state is INSTRUCTED


def test_what_is_overdue_is_contested_too_and_released_by_nobody_but_the_operator() -> None:
    world = SmallWorld()
    code, process = charged(world)
    world.now = process.execute_by
    world.fire(process)

    world.try_resolve(code, CHARGE, by="till-2")
    world.confirm(process, approve=False)

    assert world.again(process).state is CONTESTED
    world.settle(process, executed=False)
    assert world.again(process).state is ProcessState.RELEASED


def test_a_charge_of_nothing_is_not_contested() -> None:
    world = SmallWorld()
    code = world.issue()
    burn = BurnPointsAsk(points=900)
    process = world.resolve(code, ChargeAsk(amount=None), burn, sale_total=euro(900))

    world.try_resolve(code, CHARGE, by="till-2")

    assert world.again(process).state is INSTRUCTED


def test_an_executed_process_is_not_contested() -> None:
    world = SmallWorld()
    code, process = charged(world)
    world.complete(process)

    world.try_resolve(code, CHARGE, by="till-2")

    assert world.again(process).state is ProcessState.COMPLETED


def test_a_charge_contested_while_it_is_authorised_is_frozen_when_it_is_approved() -> None:
    world = SmallWorld()
    code, process = charged(world, answered=False)

    for _ in range(2):
        world.try_resolve(code, CHARGE, by="till-2")
    assert world.again(process).state is ProcessState.AUTHORISING
    world.authorised(process)

    assert world.again(process).state is CONTESTED


def test_a_contested_charge_that_is_declined_is_declined() -> None:
    world = SmallWorld()
    _, process = charged(world, answered=False)
    world.dispute(process)

    world.authorised(process, AuthorisationAnswer.CARD_BLOCKED, approved_minor_units=0)

    assert world.again(process).state is ProcessState.DECLINED


def test_the_customer_may_approve_what_is_contested_at_any_time() -> None:
    world = SmallWorld()
    code, process = charged(world)
    world.try_resolve(code, CHARGE, by="till-2")
    world.move(seconds=3_600)

    world.confirm(process)

    after = world.again(process)
    assert after.state is INSTRUCTED
    assert after.is_confirmed
    assert after.execute_by == world.now + 60_000
    assert not world.all(Unresolved)


@pytest.mark.parametrize(
    ("off_by", "expected", "held"),
    [(-1, ProcessState.RELEASED, 0), (0, CONTESTED, 100)],
)
def test_declining_what_is_contested_releases_it_while_no_goods_can_be_gone(
    off_by: int, expected: ProcessState, held: int
) -> None:
    world = SmallWorld()
    code, process = charged(world)
    world.try_resolve(code, CHARGE, by="till-2")
    world.now = process.execute_by + off_by

    world.confirm(process, approve=False)

    assert world.again(process).state is expected
    assert world.account().held == held
    assert bool(world.all(Unresolved)) == bool(held), "else the operator decides"


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        ("waiting", ProcessState.DECLINED),
        ("authorising", ProcessState.AUTHORISING),
        ("instructed", CONTESTED),
        ("overdue", CONTESTED),
        ("completed", ProcessState.COMPLETED),
    ],
)
def test_a_dispute_stops_freezes_or_marks(prepare: str, expected: ProcessState) -> None:
    world = SmallWorld()
    ask = ChargeAsk(amount=euro(5_000)) if prepare == "waiting" else CHARGE
    process = world.resolve(world.issue(), ask)
    if prepare not in {"waiting", "authorising"}:
        world.authorised(process)
    if prepare == "overdue":
        world.move(seconds=60)
        world.fire(world.again(process))
    if prepare == "completed":
        world.complete(process)

    answer = world.dispute(process)

    after = world.again(process)
    assert reason_of(answer) == "OK"
    assert after.state is expected
    assert after.is_disputed
    assert after.statement == "that was not me"
    assert [row.process_id for row in world.all(Unresolved)] == [process.process_id]


def test_what_ended_without_effect_is_not_in_dispute() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), BURN)
    world.reverse(process)

    answer = world.dispute(process)

    assert reason_of(answer) == "OK"
    assert not world.again(process).is_disputed
    assert not world.all(Unresolved)


def test_only_the_customer_confirms_and_disputes() -> None:
    world = SmallWorld()
    _, process = charged(world)

    assert reason_of(world.dispute(process, by="ben-1")) == Reason.PROCESS_NOT_FOUND
    assert reason_of(world.confirm(process, by="ben-1")) == Reason.PROCESS_NOT_FOUND


@pytest.mark.parametrize("executed", [True, False])
def test_the_operator_settles_what_waits_for_a_person(*, executed: bool) -> None:
    world = SmallWorld()
    _, process = charged(world)
    world.dispute(process)

    first = world.settle(process, executed=executed)

    after = world.again(process)
    assert after.state is (ProcessState.COMPLETED if executed else ProcessState.RELEASED)
    assert after.note == "seen"
    if not executed:
        assert after.refusal is not None
        assert after.refusal.reason is RefusalReason.RELEASED_BY_OPERATOR
    assert not world.all(Unresolved)
    assert world.settle(process, executed=executed) == first
    other = world.settle(process, executed=not executed)
    assert reason_of(other) == Reason.PROCESS_NOT_UNRESOLVED


def test_the_operator_settles_nothing_else() -> None:
    world = SmallWorld()
    _, process = charged(world)
    unknown = msgspec.structs.replace(process, process_id="07" + "0" * 32)

    assert reason_of(world.settle(process, executed=True)) == Reason.PROCESS_NOT_UNRESOLVED
    assert reason_of(world.settle(unknown, executed=True)) == Reason.PROCESS_NOT_FOUND
