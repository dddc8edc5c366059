"""When visits begin."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_load.scenarios.arrivals import Stretch, due_times, visits_of

RATES = st.floats(min_value=0.1, max_value=30)
STRETCHES = st.lists(
    st.builds(
        Stretch, seconds=st.floats(min_value=0.1, max_value=3), rate=RATES, rate_at_end=RATES
    ),
    min_size=1,
    max_size=4,
).map(tuple)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("stretches", "due"),
    [
        ((Stretch(seconds=1, rate=4, rate_at_end=4),), [0, 0.25, 0.5, 0.75]),
        ((Stretch(seconds=2, rate=1, rate_at_end=1),) * 2, [0, 1, 2, 3]),
        ((Stretch(seconds=2, rate=1, rate_at_end=3),), [0, 0.732051, 1.236068, 1.645751]),
        ((Stretch(seconds=0.5, rate=1, rate_at_end=1),), []),
    ],
)
def test_visits_begin_evenly_and_closer_as_the_rate_rises(
    stretches: tuple[Stretch, ...], due: list[float]
) -> None:
    assert [at / SECOND for at in due_times(stretches)] == pytest.approx(due, abs=1e-6)


@given(STRETCHES)
def test_as_many_visits_begin_as_the_rates_say_one_after_the_other(
    stretches: tuple[Stretch, ...],
) -> None:
    due = list(due_times(stretches))

    assert len(due) == visits_of(stretches)
    assert all(first <= second for first, second in pairwise(due))
    assert all(0 <= at <= sum(one.seconds for one in stretches) * SECOND + 1 for at in due)


@given(STRETCHES, st.floats(min_value=0.05, max_value=0.95))
def test_at_any_moment_as_many_have_begun_as_the_rates_add_up_to(
    stretches: tuple[Stretch, ...], part: float
) -> None:
    due = list(due_times(stretches))
    moment = part * stretches[0].seconds
    slope = (stretches[0].rate_at_end - stretches[0].rate) / stretches[0].seconds
    wanted = stretches[0].rate * moment + slope * moment**2 / 2

    begun = sum(at < moment * SECOND for at in due)

    assert abs(begun - min(wanted, len(due))) <= 1.001
