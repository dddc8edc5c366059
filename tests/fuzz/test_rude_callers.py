"""Callers who keep no rule of the wire harm no honest one, and cost no memory for long: G20.

The honest till calls from a process of its own, so that its times are the server's. What a rude act
costs the one who does it does not count.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.e2e.served import Town, town
from tests.e2e.volley import Volley, fire, shooters
from tests.fuzz.rude_callers import RUDE_ACTS, Besieged, Place, idle_connections
from tests.proof import Proof
from tests.world.terminal import Terminal

AT_ONCE: Final = 20
CALLS_PER_SECOND: Final = 50
GET_TAG: Final = "/tallymark.v1.TerminalService/GetTag"

GROWTH_MEBIBYTES_MAX: Final = 400
"""What the server may have grown by when all is over: its buffers and gRPC's keep some."""

BYTES_PER_IDLE_CONNECTION_MAX: Final = 100_000
"""Some 45 KiB were measured."""


class Honest(NamedTuple):
    """A till that calls from another process."""

    till: Terminal
    made: Town
    processes: ProcessPoolExecutor

    async def calls(self, *, seconds: float) -> list[float]:
        """Call for so long, and return how long each answer took, in ms. Every call succeeds."""
        count = round(seconds * CALLS_PER_SECOND)
        volley = Volley(
            target=f"127.0.0.1:{self.made.app.terminal_port}",
            ca_pem=self.made.ca_pem,
            identity=self.till.identity,
            method=GET_TAG,
            requests=[b""] * count,
            per_second=CALLS_PER_SECOND,
        )
        fired = await asyncio.get_running_loop().run_in_executor(self.processes, fire, volley)
        assert fired.reasons == {"OK": count}
        return list(fired.milliseconds)

    async def calls_until(self, ended: asyncio.Event) -> list[float]:
        """Call until the event, a second at a time."""
        took: list[float] = []
        while not ended.is_set():
            took += await self.calls(seconds=1)
        return took


@pytest.mark.guarantee
async def test_rude_callers_and_idle_ones_harm_nobody(proof: Proof, tmp_path: Path) -> None:
    async with besieged(tmp_path) as (ground, honest):
        quiet = await honest.calls(seconds=proof.trials(ci=1, campaign=20))
        before = resident_mebibytes(ground.town)

        wanted = proof.trials(ci=100, campaign=10_000)
        async with idle_connections(ground.places[0], wanted) as connections:
            with_idle = resident_mebibytes(ground.town)
            beside_idle = await honest.calls(seconds=proof.trials(ci=1, campaign=20))
            # A server that had hung up would have sent its end.
            held = sum(not reader.at_eof() for reader, _ in connections)

        before_rude = resident_mebibytes(ground.town)
        fired, beside_rude = await be_rude(ground, honest, proof)
        after_rude = resident_mebibytes(ground.town)
        await ground.town.operator.set_policy()

    each_bytes = max(0.0, with_idle - before) * 2**20 / wanted
    assert held == wanted
    assert after_rude - before_rude < GROWTH_MEBIBYTES_MAX
    assert each_bytes < BYTES_PER_IDLE_CONNECTION_MAX
    proof.record(
        "G20 rude callers",
        trials=sum(fired.values()),
        failures=0,
        faults_fired=fired,
        figures={
            "honest_calls_beside": len(beside_rude),
            "p99_quiet_ms": p99(quiet),
            "p99_beside_ms": p99(beside_rude),
            "grown_mebibytes": round(after_rude - before_rude),
        },
    )
    proof.record(
        "G20 idle connections",
        trials=held,
        failures=0,
        figures={
            "honest_calls_beside": len(beside_idle),
            "p99_quiet_ms": p99(quiet),
            "p99_beside_ms": p99(beside_idle),
            "kibibytes_each": round(each_bytes / 1024, 1),
        },
    )


async def be_rude(
    ground: Besieged, honest: Honest, proof: Proof
) -> tuple[Counter[str], list[float]]:
    """Do each rude act in turn, at each port; return how often, and the times of honest calls."""
    fired: Counter[str] = Counter()
    at_once, ended = asyncio.Semaphore(AT_ONCE), asyncio.Event()

    async def act(name: str, place: Place) -> None:
        async with at_once:
            await RUDE_ACTS[name](place, proof.random)
            fired[name] += 1

    async with asyncio.TaskGroup() as tasks:
        beside = tasks.create_task(honest.calls_until(ended))
        acts = [
            tasks.create_task(act(name, place))
            for _ in range(proof.trials(ci=3, campaign=80))
            for name in RUDE_ACTS
            for place in ground.places
        ]
        await asyncio.gather(*acts)
        ended.set()
    return fired, beside.result()


@asynccontextmanager
async def besieged(folder: Path) -> AsyncIterator[tuple[Besieged, Honest]]:
    """Run a server process; give it with an honest till."""
    with shooters(1) as processes:
        async with town(folder) as made:
            phone, rude_till = await made.add_phone(), await made.add_terminal()
            honest = Honest(await made.add_terminal("till-2"), made, processes)
            yield await Besieged.of(made, phone, rude_till), honest
            assert made.program.process.returncode is None, made.program.output
            assert "Traceback" not in made.program.output


def resident_mebibytes(made: Town) -> float:
    """Return what the server has in memory now (Linux)."""
    status = Path(f"/proc/{made.program.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def p99(milliseconds: list[float]) -> float:
    """Return the 99th percentile."""
    return round(statistics.quantiles(milliseconds, n=100)[-1], 1)
