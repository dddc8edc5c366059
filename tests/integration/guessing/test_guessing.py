"""G14: no guessing gets more passwords compared than the limit, at once or across restarts."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import RightPassword
from tallymark_server.domain.passwords import FAILURES_MAX, FREE_FAILURES
from tallymark_server.passwords import hashing
from tallymark_server.services.password_guard import PasswordGuard
from tests.integration.guessing.ground import (
    GuardThatChecksThenCounts,
    GuardThatForgets,
    count_comparisons,
    outcome,
    server,
    unlock,
)
from tests.proof import Proof
from tests.world.clock import MovedClock
from tests.world.signed_requests import PASSWORD

pytestmark = pytest.mark.guarantee

AT_ONCE = 1_000
THREADS = 50
RESTARTS_AFTER = (30, 60)
"""Comparisons after which the server is restarted."""


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    return count_comparisons(monkeypatch)


async def guess_patiently(
    path: Path, compared: Counter[str], guesses: int, kind: type[PasswordGuard] = PasswordGuard
) -> Counter[str]:
    """Guess so often, wait whenever told to, and send the right password as the 101st that counts.

    The server is restarted in between. Return how often there was each outcome.
    """
    clock = MovedClock()
    outcomes: Counter[str] = Counter()
    left = iter(range(guesses))
    for until in (*RESTARTS_AFTER, guesses):
        async with server(path, clock, kind) as ground:
            for number in _while_fewer(left, compared, until):
                is_last = compared.total() >= FAILURES_MAX
                got = await outcome(ground, PASSWORD if is_last else f"guess {number}")
                if isinstance(got, RightPassword):
                    outcomes["right"] += 1
                    continue
                outcomes[str(got.reason)] += 1
                if got.reason is Reason.PASSWORD_WAIT:
                    clock.move(seconds=int(got.metadata["seconds"]))
        outcomes["restarts"] += 1
    return outcomes


def _while_fewer(numbers: Iterator[int], compared: Counter[str], until: int) -> Iterator[int]:
    """Yield numbers while fewer passwords than that were compared."""
    while compared.total() < until and (number := next(numbers, None)) is not None:
        yield number


def check_patient(compared: Counter[str], outcomes: Counter[str]) -> None:
    assert compared.total() <= FAILURES_MAX
    assert outcomes["right"] == 0
    assert PASSWORD not in compared, "the right one was the 101st, and was not looked at"


async def guess_at_once(
    path: Path, patch: pytest.MonkeyPatch, kind: type[PasswordGuard] = PasswordGuard
) -> Counter[str]:
    """Guess a thousand times at once, with threads for many comparisons at the same time."""
    patch.setattr(hashing, "THREADS", THREADS)
    patch.setattr(hashing, "WAITING_MAX", AT_ONCE)
    patch.setattr(hashing, "WAITING_EACH_MAX", AT_ONCE)
    patch.setattr(hashing, "WAIT_SECONDS_MAX", 60.0)
    async with server(path, MovedClock(), kind) as ground:
        guesses = [outcome(ground, f"guess {number}") for number in range(AT_ONCE)]
        got = await asyncio.gather(*guesses)
    return Counter(str(getattr(one, "reason", "right")) for one in got)


def check_at_once(compared: Counter[str]) -> None:
    assert compared.total() <= FREE_FAILURES + 1


async def test_patient_guessing_gets_a_hundred_comparisons_and_the_owner_goes_on(
    tmp_path: Path, compared: Counter[str], proof: Proof
) -> None:
    guesses = 10_000

    outcomes = await guess_patiently(tmp_path / "db", compared, guesses)

    check_patient(compared, outcomes)
    total = compared.total()
    async with server(tmp_path / "db", MovedClock()) as ground:
        locked = await outcome(ground, PASSWORD)
        await unlock(ground)
        assert getattr(locked, "reason", None) is Reason.PASSWORD_LOCKED
        assert isinstance(await outcome(ground, PASSWORD), RightPassword)
    proof.record(
        "G14 guessing: one account, patiently, across restarts",
        trials=guesses,
        failures=max(0, total - FAILURES_MAX) + outcomes["right"],
        faults_fired={
            "wrong passwords compared": total,
            "told to wait": outcomes["PASSWORD_WAIT"],
            "refused as locked": outcomes["PASSWORD_LOCKED"],
            "restarts": outcomes["restarts"],
        },
        mutants_killed=("counter in memory",),
    )


async def test_a_thousand_guesses_at_once_get_no_more_than_the_free_ones(
    tmp_path: Path, compared: Counter[str], monkeypatch: pytest.MonkeyPatch, proof: Proof
) -> None:
    outcomes = await guess_at_once(tmp_path / "db", monkeypatch)

    check_at_once(compared)
    assert outcomes == {
        "PASSWORD_WRONG": FREE_FAILURES + 1,
        "PASSWORD_WAIT": AT_ONCE - FREE_FAILURES - 1,
    }
    proof.record(
        "G14 guessing: one account, at once",
        trials=AT_ONCE,
        failures=max(0, compared.total() - FREE_FAILURES - 1),
        faults_fired={"wrong passwords compared": compared.total(), **outcomes},
        mutants_killed=("check, then count",),
    )


async def test_the_patient_guessing_finds_a_guard_that_forgets(
    tmp_path: Path, compared: Counter[str]
) -> None:
    outcomes = await guess_patiently(tmp_path / "db", compared, 400, GuardThatForgets)

    with pytest.raises(AssertionError):
        check_patient(compared, outcomes)


async def test_the_guessing_at_once_finds_a_guard_that_counts_too_late(
    tmp_path: Path, compared: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await guess_at_once(tmp_path / "db", monkeypatch, GuardThatChecksThenCounts)

    with pytest.raises(AssertionError):
        check_at_once(compared)
