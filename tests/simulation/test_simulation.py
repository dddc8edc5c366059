"""G24: whatever goes wrong, and in whatever order, no promise is broken."""

from collections.abc import Iterator

import pytest

from tests.simulation.prepared import Prepared, prepared
from tests.simulation.simulator import play

SEEDS = 25


@pytest.fixture(scope="module")
def world() -> Iterator[Prepared]:
    with prepared() as made:
        yield made


def test_a_seed_plays_the_same_each_time(world: Prepared) -> None:
    first, second = play(7, world), play(7, world)

    assert first.trace_hash == second.trace_hash
    assert first.turns == second.turns
    assert play(8, world).trace_hash != first.trace_hash


def test_no_promise_is_broken(world: Prepared) -> None:
    broken = [played for seed in range(SEEDS) if (played := play(seed, world)).violation]

    assert not [(played.seed, played.violation) for played in broken]
