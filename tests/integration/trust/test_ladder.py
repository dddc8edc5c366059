"""G12: what a stolen code is worth at each level of the ladder, after each delay."""

from random import Random

import pytest

from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.integration.trust.ladder import DELAYS_SECONDS, Ground, Level, Toll, attack
from tests.proof import Proof
from tests.world.serving import world

pytestmark = pytest.mark.guarantee

CODE_LIFE_SECONDS = 60


async def _toll(
    keyring: Keyring, level: Level, delay_seconds: float, *, runs: int, seed: int
) -> Toll:
    async with world(MemoryStore(), keyring) as made:
        ground = await Ground.prepare(made, level)
        return await attack(ground, level, delay_seconds, runs=runs, random=Random(seed))  # noqa: S311 -- repeatable


@pytest.mark.parametrize("delay_seconds", DELAYS_SECONDS)
@pytest.mark.parametrize("level", [Level.CONFIRMED, Level.BOUND])
async def test_a_stolen_code_moves_no_money(
    keyring: Keyring, proof: Proof, level: Level, delay_seconds: float
) -> None:
    runs = proof.trials(ci=20, campaign=1_000)

    toll = await _toll(keyring, level, delay_seconds, runs=runs, seed=proof.seed)

    proof.record(
        f"G12 {level}, stolen after {delay_seconds:g} s",
        trials=toll.runs,
        failures=toll.stolen,
        figures={"honest_runs": toll.honest_runs, "honest_failures": toll.honest_failures},
    )
    if level is Level.BOUND:
        assert toll.honest_failures == 0, "a thief cannot even spoil a bound code"


@pytest.mark.parametrize("delay_seconds", DELAYS_SECONDS)
async def test_the_baseline_is_published_a_bearer_code_is_worth_what_it_can_buy(
    keyring: Keyring, proof: Proof, delay_seconds: float
) -> None:
    """Not a promise: it shows that the thief of these tests does steal, where nothing stops it."""
    runs = proof.trials(ci=20, campaign=1_000)

    toll = await _toll(keyring, Level.BEARER, delay_seconds, runs=runs, seed=proof.seed)

    proof.record(
        f"G12 baseline {Level.BEARER}, stolen after {delay_seconds:g} s",
        trials=toll.runs,
        failures=0,
        figures={
            "stolen": toll.stolen,
            "honest_runs": toll.honest_runs,
            "honest_failures": toll.honest_failures,
        },
    )
    if delay_seconds < CODE_LIFE_SECONDS:
        assert toll.stolen >= runs / 2, "the halted half at the least"
    else:
        assert toll.stolen == 0, "it is over its time"
