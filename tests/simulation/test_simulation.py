"""G24: whatever goes wrong, and in whatever order, no promise is broken.

`make simulate SEEDS=n` plays many more seeds than these.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.proof import Proof
from tests.simulation.campaign import MUST_BE_REACHED, SEEDS_ENOUGH, missing, play_some
from tests.simulation.mutants import MUTANTS
from tests.simulation.prepared import Prepared, prepared
from tests.simulation.simulator import play

pytestmark = pytest.mark.guarantee

SEED = 7

SEEDS_UNTIL_FOUND = 60
"""No planted bug of these needs as many."""


@pytest.fixture(scope="module")
def world() -> Iterator[Prepared]:
    with prepared() as made:
        yield made


def test_a_seed_plays_the_same_each_time(world: Prepared) -> None:
    first, second = play(SEED, world), play(SEED, world)

    assert (first.trace_hash, first.turns) == (second.trace_hash, second.turns)
    assert play(SEED + 1, world).trace_hash != first.trace_hash


def test_a_seed_plays_the_same_in_another_process_with_another_hash_seed(world: Prepared) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(SEED)]
    environment = {"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)}
    printed = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert play(SEED, world).trace_hash in printed


def test_no_promise_is_broken(world: Prepared, proof: Proof) -> None:
    seeds = proof.trials(ci=20, campaign=SEEDS_ENOUGH)
    reached: Counter[str] = Counter()
    broken: list[tuple[int, str]] = []
    commits = answers = 0
    for played in play_some(range(seeds), world):
        reached += played.reached
        commits += played.commits
        answers += played.answers
        if played.violation:
            broken.append((played.seed, played.violation))

    assert not broken, f"play one again with: make simulate SEED={broken[0][0]}"
    proof.record(
        "G24 simulation of the whole system",
        trials=seeds,
        failures=len(broken),
        faults_fired={state: reached[state] for state in MUST_BE_REACHED if reached[state]},
        figures={"commits_checked": commits, "answers_checked": answers},
    )
    if seeds >= SEEDS_ENOUGH:
        assert not missing(reached), "every rare state is reached"


def test_every_planted_bug_is_found(world: Prepared, proof: Proof) -> None:
    found: dict[str, int] = {}
    for name, bug in MUTANTS.items():
        with pytest.MonkeyPatch.context() as patch:
            bug.plant(patch)
            for played in play_some(range(SEEDS_UNTIL_FOUND), world):
                if played.violation:
                    found[f"{bug.guarantee} {name}"] = played.seed + 1
                    break
            else:
                pytest.fail(f"{bug.guarantee} {name} was not found")

    proof.record(
        "G24 planted bugs that the simulation finds",
        trials=sum(found.values()),
        failures=len(MUTANTS) - len(found),
        mutants_killed=found,
    )
