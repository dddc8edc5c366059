"""What the policy asks of customers, and how it is changed."""

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import RefusedAnswer, RowAnswer
from tallymark_server.domain.commands import SetPolicy
from tallymark_server.domain.model.actions import AdmitAsk, Ask, BurnPointsAsk, ChargeAsk
from tallymark_server.domain.model.merchants import Policy
from tallymark_server.domain.model.processes import CodePurpose, ProcessState
from tallymark_server.domain.model.registrations import AdmitDirection
from tallymark_server.domain.policy import code_life_seconds
from tests.unit.domain.furniture import euro
from tests.unit.domain.small_world import OPERATOR, SmallWorld

ADMIT = AdmitAsk(event_id="jazz", direction=AdmitDirection.ENTRY)


def charge(minor_units: int) -> ChargeAsk:
    return ChargeAsk(amount=euro(minor_units))


def burn(points: int) -> BurnPointsAsk:
    return BurnPointsAsk(points=points)


def put(world: SmallWorld, policy: Policy) -> object:
    return world.ask(SetPolicy(caller=OPERATOR, partition=0, policy=policy))


@pytest.mark.parametrize(
    ("policy", "asks", "is_asked"),
    [
        ({}, [charge(4_999)], False),
        ({}, [charge(5_000)], True),
        ({"confirm_money_from": 0}, [charge(1)], True),
        ({"confirm_money_from": 0}, [ADMIT], False),
        ({}, [burn(999)], False),
        ({}, [burn(1_000)], True),
        ({}, [charge(1), ADMIT, burn(1_000)], True),
        ({}, [ADMIT], False),
        ({"confirm_admission": True}, [ADMIT], True),
        ({"confirm_admission": True}, [burn(1)], False),
    ],
)
def test_the_policy_decides_when_the_customer_is_asked(
    policy: dict[str, int], asks: list[Ask], *, is_asked: bool
) -> None:
    world = SmallWorld()
    world.set_policy(**policy)

    process = world.resolve(world.issue(), *asks)

    assert (process.state is ProcessState.AWAITING_CUSTOMER) == is_asked


def test_a_process_keeps_the_policy_that_it_was_born_under() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), charge(5_000))
    world.set_policy(execute_within_seconds=5)

    world.confirm(process)
    world.authorised(world.again(process))

    after = world.again(process)
    assert after.policy_version == 1
    assert after.execute_by == world.now + 60_000
    assert world.resolve(world.issue(), burn(1)).policy_version == 2


def test_a_policy_is_changed_by_who_has_read_the_last_one() -> None:
    world = SmallWorld()

    assert put(world, Policy(version=1)) == RowAnswer(is_new=False)
    assert put(world, Policy(version=1, code_life_seconds=30)) == RowAnswer(is_new=True)
    assert put(world, Policy(version=1, code_life_seconds=30)) == RowAnswer(is_new=False)
    assert put(world, Policy(version=1, code_life_seconds=40)) == RefusedAnswer(
        reason=Reason.POLICY_VERSION_CONFLICT, metadata={"version": "2"}
    )
    assert put(world, Policy(version=2, code_life_seconds=40)) == RowAnswer(is_new=True)

    lives = {(row.version, row.is_current): row.code_life_seconds for row in world.all(Policy)}
    assert lives == {(1, False): 60, (2, False): 30, (3, True): 40}


@pytest.mark.parametrize(
    ("purpose", "seconds"),
    [(CodePurpose.GENERAL, 60), (CodePurpose.POINTS, 300), (CodePurpose.TICKET, 60)],
)
def test_a_code_for_points_lives_longer(purpose: CodePurpose, seconds: int) -> None:
    assert code_life_seconds(Policy(), purpose) == seconds
