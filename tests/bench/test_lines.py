"""The bench's lines and ratios say what they should."""

import inspect
from importlib import import_module

import pytest

from bench.__main__ import MODULES
from bench.compare import ratio_of
from bench.lines import Line, at_least, at_most, end, row


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (Line(name="a", got=0.64, target=at_least(0.65)), "MISSED"),
        (Line(name="a", got=0.65, target=at_least(0.65)), "met"),
        (Line(name="a", got=25.0, target=at_most(25)), "met"),
        (Line(name="a", got=25.1, target=at_most(25)), "MISSED"),
        (Line(name="a", got=1.0), ""),
    ],
)
def test_a_line_says_whether_its_target_is_met(line: Line, verdict: str) -> None:
    words = row(line).split()

    assert (words[-1] if line.target else "") == verdict


@pytest.mark.parametrize(
    ("got", "is_strict", "code"), [(1.0, True, 0), (0.1, False, 0), (0.1, True, 1)]
)
def test_only_a_strict_bench_fails_over_a_missed_target(
    *, got: float, is_strict: bool, code: int
) -> None:
    with pytest.raises(SystemExit) as ended:
        end([Line(name="a", got=got, target=at_least(0.5))], is_strict=is_strict)

    assert ended.value.code == code


def test_a_ratio_has_the_interval_of_students_t() -> None:
    ratio = ratio_of([1.0, 2.0, 4.0, 8.0, 16.0])

    # Mean 2 and standard error 1 / sqrt(2) in powers of two; t(0.975, 4) is 2.776.
    assert ratio.mean == pytest.approx(4.0)
    assert ratio.high == pytest.approx(2 ** (2 + 2.776 / 2**0.5), rel=1e-3)
    assert ratio.low == pytest.approx(2 ** (2 - 2.776 / 2**0.5), rel=1e-3)


@pytest.mark.parametrize("name", MODULES)
def test_every_part_measures_quickly_if_asked(name: str) -> None:
    measure = import_module(f"bench.{name}").measure

    assert "is_quick" in inspect.signature(measure).parameters
