import asyncio
import threading

import pytest

from tallymark_terminal.presentations import (
    REPEAT_WINDOW_SECONDS,
    RepeatFilter,
    finish_in_thread,
)
from tallymark_terminal.scanner import ForeignCode, ScannedCode, SeveralCodes

from .codes import code_text
from .fakes import FakeClock

PATIENCE_SECONDS = 10.0


def test_repeat_filter_forgets_what_is_out_of_view() -> None:
    clock = FakeClock()
    repeats = RepeatFilter(clock=clock)
    answers = []

    for customer in (1, 2, 1, 2):
        answers.append(repeats.is_repeat(ScannedCode(text=code_text(customer), source="x")))
        clock.seconds += REPEAT_WINDOW_SECONDS * 0.75

    assert answers == [False, False, False, False]


def test_refusals_are_repeats_of_their_own_kind_only() -> None:
    repeats = RepeatFilter(clock=FakeClock())
    refusals = [ForeignCode("x"), SeveralCodes("x"), ForeignCode("x"), SeveralCodes("x")]

    assert [repeats.is_repeat(refused) for refused in refusals] == [False, False, True, True]


class CountedMoment(float):
    """A moment that counts how often one is compared with another."""

    comparisons = 0

    def __sub__(self, other: float) -> float:
        CountedMoment.comparisons += 1
        return float(self) - other


def test_many_different_scans_are_not_all_looked_at_for_each_new_one() -> None:
    """A file of short lines, piped in, kept the scanner busy for as long as its length squared."""
    repeats = RepeatFilter(clock=lambda: CountedMoment(5.0))

    for number in range(1_000):
        assert not repeats.is_repeat(ScannedCode(text=f"TM1:{number}", source="x"))

    assert CountedMoment.comparisons <= 2_000


async def test_cancelled_wait_ends_only_when_the_device_is_let_go() -> None:
    is_reading, may_end = threading.Event(), threading.Event()

    def read_device() -> None:
        is_reading.set()
        may_end.wait(PATIENCE_SECONDS)

    waiting = asyncio.create_task(finish_in_thread(read_device))
    await asyncio.to_thread(is_reading.wait, PATIENCE_SECONDS)
    waiting.cancel()
    for _ in range(10):
        await asyncio.sleep(0)

    assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
