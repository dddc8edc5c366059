"""A campaign that is played in parts says the same as one that is played at once."""

from dataclasses import asdict
from typing import Any

import pytest

from tests.proof import Recorded
from tests.simulation.parts import LINE, add_up, has_played


def line(start: int, stop: int, *, broken: tuple[int, ...] = ()) -> Recorded:
    return Recorded(
        name=LINE,
        trials=stop - start,
        failures=len(broken),
        faults_fired={"request lost": stop - start},
        seconds=1.5,
        figures={"steps": 10, "seeds": [[start, stop]], "broken_seeds": list(broken)},
    )


def test_parts_add_up() -> None:
    both = add_up(asdict(line(0, 100)), line(100, 150, broken=(123,)))

    assert (both.trials, both.failures, both.seconds) == (150, 1, 3.0)
    assert both.faults_fired == {"request lost": 150}
    assert both.figures == {"steps": 20, "seeds": [[0, 150]], "broken_seeds": [123]}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([(0, 10), (20, 30), (10, 20)], [[0, 30]]),
        ([(20, 30), (0, 10)], [[0, 10], [20, 30]]),
    ],
)
def test_the_seeds_of_all_parts_are_told(
    order: list[tuple[int, int]], expected: list[list[int]]
) -> None:
    first, *others = (line(*seeds) for seeds in order)
    total: dict[str, Any] = asdict(first)
    for other in others:
        total = asdict(add_up(total, other))

    assert total["figures"]["seeds"] == expected


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (range(50, 60), True),
        (range(90, 110), True),
        (range(200), True),
        (range(100, 110), False),
    ],
)
def test_no_seed_is_counted_twice(seeds: range, *, expected: bool) -> None:
    assert has_played(asdict(line(10, 100)), seeds) is expected
