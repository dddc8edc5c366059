"""How long an admission takes: at half of what the server can do, and alone.

At half of its capacity calls come at a steady rate, whatever the answers do, and an answer's time
counts from when its call was due, so that nobody's waiting is left out. One scan alone is as fast
as the server can be: it is compared with one fsync, which no durable answer can do without.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.contestants import Admissions, Caller, issue
from bench.crowd import Crowd, crowd
from bench.fsyncs import sync_pages
from bench.lines import Line, Target, at_most
from bench.load import Script
from bench.processes import LOAD_CORE, SERVER_CORE, hands
from bench.rounds import Contestant, Rounds, Taken, play_rounds

__all__ = ["Fsyncs", "Scale", "measure", "time_scans"]

HALF: Final = 0.5

PERCENTILES: Final = {50.0: None, 99.0: at_most(25), 99.9: None}
ALONE: Final = at_most(3.0)


class Scale(NamedTuple):
    """How much is played."""

    customers: int = 1500
    rounds: int = 7
    alone: int = 200
    """Scans that come one by one in a round."""


QUICK: Final = Scale(customers=500, rounds=5, alone=100)


def measure(*, is_quick: bool, scale: Scale | None = None) -> Sequence[Line]:
    """Measure both."""
    return uvloop.run(_measure(scale or (QUICK if is_quick else Scale())))


async def _measure(scale: Scale) -> list[Line]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallymark-bench-")))
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        beside = stack.enter_context(hands(SERVER_CORE))
        served = await stack.enter_async_context(crowd(folder / "server", scale.customers))
        return await time_scans(served, caller, Fsyncs(folder, beside), scale)


async def time_scans(served: Crowd, caller: Caller, fsyncs: "Fsyncs", scale: Scale) -> list[Line]:
    """Measure both at a server."""
    contestants: list[Contestant] = [
        Steady(served, caller),
        Alone(served, caller, scale.alone),
        fsyncs,
    ]
    rounds = await play_rounds(contestants, scale.rounds)
    return [*_steady_lines(rounds), *_alone_lines(rounds)]


class Steady:
    """Admissions at half of the capacity, which is measured before, in every round again."""

    def __init__(self, crowd: Crowd, caller: Caller) -> None:
        """Take who comes, and who calls for them."""
        self._crowd = crowd
        self._caller = caller
        self._capacity = Admissions(crowd, caller)
        self._capacities: list[float] = []

    async def play(self) -> Mapping[str, Taken]:
        """Let everybody in twice."""
        full = await self._capacity.play()
        self._capacities.append(full["admit"].per_second)
        _, codes = await issue(self._crowd, self._caller)
        script = Script(
            self._crowd.gate_address,
            self._crowd.admit(codes),
            per_second=HALF * statistics.median(self._capacities),
        )
        steady, _ = await self._caller.play(self._crowd.pid, script)
        return {**full, "steady": steady}


class Alone:
    """Admissions one by one."""

    def __init__(self, crowd: Crowd, caller: Caller, count: int) -> None:
        """Take who comes, who calls for them, and how many are let in."""
        self._crowd = crowd
        self._caller = caller
        self._count = count

    async def play(self) -> Mapping[str, Taken]:
        """Let some in."""
        _, codes = await issue(self._crowd, self._caller)
        items = self._crowd.admit(codes[: self._count])
        script = Script(self._crowd.gate_address, items, at_once=1)
        alone, _ = await self._caller.play(self._crowd.pid, script)
        return {"alone": alone}


class Fsyncs:
    """Pages that are written and synced one by one, in the folder of the database."""

    def __init__(self, folder: Path, process: ProcessPoolExecutor) -> None:
        """Take where, and who writes."""
        self._folder = folder
        self._process = process

    async def play(self) -> Mapping[str, Taken]:
        """Write some."""
        milliseconds = await asyncio.get_running_loop().run_in_executor(
            self._process, sync_pages, self._folder
        )
        return {"fsync": Taken(1000 * len(milliseconds) / sum(milliseconds), 0, 0, milliseconds)}


def percentile(milliseconds: Sequence[float], percent: float) -> float:
    """Return the value that so many percent do not exceed."""
    ordered = sorted(milliseconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _steady_lines(rounds: Rounds) -> list[Line]:
    """Return the percentiles over the answers of all rounds."""
    all_rounds = [value for taken in rounds.of("steady") for value in taken.milliseconds]
    rate = rounds.median("steady", "per_second")
    note = f"{rate:.0f}/s, of {rounds.median('admit', 'per_second'):.0f}/s at 64 at once"
    return [
        _milliseconds(
            f"admit at half of capacity, p{percent:g}",
            percentile(all_rounds, percent),
            target,
            trials=len(all_rounds),
            note=note,
        )
        for percent, target in PERCENTILES.items()
    ]


def _alone_lines(rounds: Rounds) -> list[Line]:
    medians = {
        name: [statistics.median(taken.milliseconds) for taken in rounds.of(name)]
        for name in ("alone", "fsync")
    }
    beyond = [one - other for one, other in zip(medians["alone"], medians["fsync"], strict=True)]
    both = ", ".join(f"{name} {statistics.median(of):.2f} ms" for name, of in medians.items())
    name = "admit alone, p50, beyond one fsync"
    return [_milliseconds(name, statistics.median(beyond), ALONE, trials=rounds.count, note=both)]


def _milliseconds(name: str, got: float, target: Target | None, *, trials: int, note: str) -> Line:
    return Line(name=name, got=got, unit="ms", target=target, trials=trials, note=note)
