"""Callers who keep no rule of the wire harm no honest one, and cost no memory for long: G20."""

import asyncio
import contextlib
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.served import Town, town
from tests.fuzz.rude_callers import RUDE_ACTS, Besieged, Place, idle_connections
from tests.proof import Proof
from tests.world.world import Phone

pytestmark = pytest.mark.guarantee

AT_ONCE = 20
HONEST_PAUSE_SECONDS = 0.02
GROWTH_MEBIBYTES_MAX = 400
"""What the server may have grown by when all is over: its buffers and gRPC's keep some."""

BYTES_PER_IDLE_CONNECTION_MAX = 100_000
"""Some 45 KiB were measured."""


async def test_rude_callers_harm_nobody(proof: Proof, tmp_path: Path) -> None:
    acts = proof.trials(ci=80, campaign=2_000)
    fired: Counter[str] = Counter()
    async with besieged(tmp_path) as (ground, phone):
        resident_before = resident_mebibytes(ground.town)
        quiet = await honest_calls(phone, seconds=0.5)

        chance, at_once = proof.random, asyncio.Semaphore(AT_ONCE)

        async def act(name: str, place: Place) -> None:
            async with at_once:
                await RUDE_ACTS[name](place, chance)
                fired[name] += 1

        async with honest_beside(phone) as attacked, asyncio.TaskGroup() as tasks:
            for number in range(acts):
                name = list(RUDE_ACTS)[number % len(RUDE_ACTS)]
                tasks.create_task(act(name, ground.places[number // 8 % 3]))

        grown = resident_mebibytes(ground.town) - resident_before
        await phone.wallet()
        await ground.town.operator.set_policy()

    assert grown < GROWTH_MEBIBYTES_MAX
    proof.record(
        "G20 rude callers",
        trials=sum(fired.values()),
        failures=0,
        faults_fired=fired,
        figures={
            "honest_calls_beside": len(attacked),
            "p99_quiet_ms": p99(quiet),
            "p99_attacked_ms": p99(attacked),
            "grown_mebibytes": round(grown),
        },
    )


async def test_idle_connections_harm_nobody(proof: Proof, tmp_path: Path) -> None:
    count = proof.trials(ci=100, campaign=10_000)
    async with besieged(tmp_path) as (ground, phone):
        quiet = await honest_calls(phone, seconds=0.5)
        before = resident_mebibytes(ground.town)
        async with idle_connections(ground.places[0], count) as connections:
            beside = await honest_calls(phone, seconds=1)
            grown = resident_mebibytes(ground.town) - before
            # A server that had hung up would have sent its end.
            held = sum(not reader.at_eof() for reader, _ in connections)
        await phone.wallet()
        after = resident_mebibytes(ground.town) - before

    each_bytes = max(0.0, grown) * 2**20 / held
    assert held == count
    assert each_bytes < BYTES_PER_IDLE_CONNECTION_MAX
    proof.record(
        "G20 idle connections",
        trials=held,
        failures=0,
        figures={
            "honest_calls_beside": len(beside),
            "p99_quiet_ms": p99(quiet),
            "p99_beside_ms": p99(beside),
            "grown_mebibytes": round(grown),
            "grown_after_mebibytes": round(after),
            "kibibytes_each": round(each_bytes / 1024, 1),
        },
    )


@asynccontextmanager
async def besieged(folder: Path) -> AsyncIterator[tuple[Besieged, Phone]]:
    """Run a server process; give it with an honest phone, whose connection is its own."""
    async with town(folder) as made:
        phone = await made.add_phone()
        terminal = await made.add_terminal()
        honest = await made.add_phone("bob")
        yield await Besieged.of(made, phone, terminal), honest
        assert made.program.process.returncode is None, made.program.output
        assert "Traceback" not in made.program.output


async def honest_calls(phone: Phone, *, seconds: float) -> list[float]:
    """Call for so long; return how long each answer took, in milliseconds. Every call succeeds."""
    took: list[float] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _call_on(phone, took)
    return took


@asynccontextmanager
async def honest_beside(phone: Phone) -> AsyncIterator[list[float]]:
    """Call as long as the context lasts; an honest call that fails ends it."""
    took: list[float] = []
    calling = asyncio.create_task(_call_on(phone, took))
    try:
        yield took
    finally:
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling


async def _call_on(phone: Phone, took: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await phone.wallet()
        took.append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(HONEST_PAUSE_SECONDS)


def resident_mebibytes(made: Town) -> float:
    """Return what the server has in memory now (Linux)."""
    status = Path(f"/proc/{made.program.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def p99(milliseconds: list[float]) -> float:
    """Return the 99th percentile, of at least two values."""
    return round(statistics.quantiles(milliseconds, n=100)[-1], 1)
