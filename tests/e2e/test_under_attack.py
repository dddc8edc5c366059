"""G9 and G15: what honest scans notice of a flood beside them. By `make attack` only.

A real server in a process of its own. Honest scans come at a steady rate whatever the answers do
(open loop), so that waiting is counted. Quiet and attacked rounds take turns; each pair gives a
ratio of the 99th percentiles, and their median is what is promised.
"""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tallymark.v1.identification_pb2 import CODE_PURPOSE_POINTS
from tests.e2e.served import Town, town
from tests.integration.trust.forgeries import FORGERIES, Forger
from tests.proof import Proof
from tests.world.actions import earn
from tests.world.world import Phone, Terminal, sign_in_request

pytestmark = pytest.mark.guarantee

SCANS_PER_SECOND = 200
FORGED_PER_SECOND = 500
LOGINS_PER_SECOND = 200
CUSTOMERS = 240
"""So many that one is free whenever a scan begins."""

ROUND_SECONDS = 6.0
PAIRS = 5
RATIO_MAX = 2.0

WIDE = ("--address-rate", "10000", "10000", "--strangers-rate", "10000", "10000")
"""No limits for strangers: here they are not to be what saves the server."""

_Step = Callable[[int], Awaitable[None]]


class Crowd(NamedTuple):
    """Who is at the tills."""

    town: Town
    phones: Sequence[Phone]
    gate: Terminal
    rogues: Sequence[Terminal]


@pytest.fixture
def campaign_only(proof: Proof) -> None:
    if not proof.is_campaign:
        pytest.skip("a load, which only make attack plays")


async def gather_crowd(made: Town) -> Crowd:
    phones = [await made.add_phone(f"guest-{number}") for number in range(CUSTOMERS)]
    gate = await made.add_terminal("gate-1")
    rogues = [await made.add_terminal(f"rogue-{number}") for number in range(2)]
    return Crowd(made, phones, gate, rogues)


async def at_rate(per_second: float, seconds: float, step: _Step) -> None:
    """Start a step at each of its moments, whether those before have ended or not."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(per_second * seconds)):
            wait_seconds = began + number / per_second - time.perf_counter()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
            tasks.create_task(step(number))  # type: ignore[arg-type]  # every step is a coroutine


async def scans(crowd: Crowd, seconds: float) -> list[float]:
    """Scan at a steady rate, and return how long each answer of the gate took, in milliseconds."""
    took: list[float] = []
    free = deque(crowd.phones)

    async def scan(_: int) -> None:
        if not free:  # everybody still waits, so the server does not keep up
            took.append(1000 * seconds)
            return
        phone = free.popleft()  # nobody shows two codes at once
        code = await phone.issue(CODE_PURPOSE_POINTS)
        started = time.perf_counter()
        process = await crowd.gate.resolve(code, earn(1), complete_on_instruction=True)
        took.append(1000 * (time.perf_counter() - started))
        free.append(phone)
        assert process.state == 6

    await at_rate(SCANS_PER_SECOND, seconds, scan)
    return took


async def ratio_under(crowd: Crowd, flood: Callable[[float], Awaitable[None]]) -> dict[str, Any]:
    """Return the p99 of quiet and attacked rounds, and the median of their ratios."""
    await scans(crowd, ROUND_SECONDS / 2)  # warm
    quiet, attacked = [], []
    for _ in range(PAIRS):
        quiet.append(_p99(await scans(crowd, ROUND_SECONDS)))
        took, _ = await asyncio.gather(scans(crowd, ROUND_SECONDS), flood(ROUND_SECONDS))
        attacked.append(_p99(took))
    ratios = [under / without for under, without in zip(attacked, quiet, strict=True)]
    return {
        "p99_quiet_ms": [round(one, 1) for one in quiet],
        "p99_attacked_ms": [round(one, 1) for one in attacked],
        "ratio_median": round(statistics.median(ratios), 2),
    }


def _p99(took: Sequence[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.usefixtures("campaign_only")
async def test_forged_codes_do_not_slow_honest_scans(
    tmp_path: Path, proof: Proof, keyring: Any
) -> None:
    seen = {"refused": 0, "accepted": 0}
    async with town(tmp_path, options=WIDE) as made:
        crowd = await gather_crowd(made)
        genuine = [await phone.issue() for phone in crowd.phones]
        forger = Forger(keyring, keyring, genuine, proof.random)
        kinds = list(FORGERIES.values())

        async def show_forged(number: int) -> None:
            text = kinds[number % len(kinds)](forger)
            if len(text) < 8 or text in genuine:
                return
            rogue = crowd.rogues[number % len(crowd.rogues)]
            reason = await rogue.reason("ResolveCode", rogue.resolve_request(text, earn(1)))
            seen["accepted" if reason == "OK" else "refused"] += 1

        figures = await ratio_under(
            crowd, lambda seconds: at_rate(FORGED_PER_SECOND, seconds, show_forged)
        )

    proof.record(
        "G9 honest scans beside 500 forged codes a second",
        trials=PAIRS * round(SCANS_PER_SECOND * ROUND_SECONDS),
        failures=seen["accepted"] + int(figures["ratio_median"] > RATIO_MAX),
        faults_fired={"forged codes": seen["refused"]},
        figures=figures,
    )


@pytest.mark.usefixtures("campaign_only")
async def test_a_flood_of_sign_ins_does_not_slow_honest_scans(tmp_path: Path, proof: Proof) -> None:
    """The flood knows the passwords and has the devices' keys, so each of them would be hashed."""
    seen: dict[str, int] = {}
    async with town(tmp_path, options=WIDE) as made:
        crowd = await gather_crowd(made)

        async def sign_in(number: int) -> None:
            phone = crowd.phones[number % len(crowd.phones)]
            reason = await phone.reason("SignIn", sign_in_request(phone))
            seen[reason] = seen.get(reason, 0) + 1

        figures = await ratio_under(
            crowd, lambda seconds: at_rate(LOGINS_PER_SECOND, seconds, sign_in)
        )

    proof.record(
        "G15 honest scans beside 200 sign-ins a second",
        trials=PAIRS * round(SCANS_PER_SECOND * ROUND_SECONDS),
        failures=int(figures["ratio_median"] > RATIO_MAX),
        faults_fired={"hashed": seen.get("OK", 0), "sent away": seen.get("OVERLOADED", 0)},
        figures=figures,
    )
