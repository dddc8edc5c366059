"""Pauses are counted while somebody may ask for them, and numbers fall into the right buckets."""

import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tallymark_server.watching import pauses as module
from tallymark_server.watching.histogram import Histogram
from tallymark_server.watching.pauses import Pauses
from tallymark_server.watching.port import showing_metrics

BOUNDS = (0.5, 1.0, 2.5)


def count_of(histogram: Histogram) -> float:
    return histogram.buckets()[-1][1]


async def test_collections_of_garbage_are_counted_by_generation_until_nobody_watches() -> None:
    pauses = Pauses()
    others = len(gc.callbacks)

    async with pauses.watching():
        before = [count_of(histogram) for histogram in pauses.collections]
        gc.collect(2)
        gc.collect(2)
        after = [count_of(histogram) for histogram in pauses.collections]
    gc.collect(2)

    assert after[2] - before[2] == 2
    assert pauses.collections[2].total > 0
    assert count_of(pauses.collections[2]) == after[2]
    assert len(gc.callbacks) == others


async def test_the_lateness_of_the_loop_is_asked_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    pauses = Pauses()

    async with pauses.watching():
        for _ in range(10):
            await asyncio.sleep(0)

    assert count_of(pauses.lateness) >= 3
    assert pauses.lateness.total >= 0


@given(st.lists(st.floats(min_value=0, max_value=5)))
def test_each_value_is_in_every_bucket_whose_bound_it_does_not_exceed(values: list[float]) -> None:
    histogram = Histogram(BOUNDS)

    for value in values:
        histogram.observe(value)

    expected = [(str(bound), sum(value <= bound for value in values)) for bound in BOUNDS]
    assert histogram.buckets() == [*expected, ("+Inf", len(values))]
    assert histogram.total == pytest.approx(sum(values))


@pytest.mark.parametrize("address", ["7423", ":7423", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1"])
async def test_what_is_no_address_to_listen_on_is_refused(address: str) -> None:
    with pytest.raises(RuntimeError, match="listen"):
        async with showing_metrics(CollectorRegistry(), Pauses(), address):
            pass
