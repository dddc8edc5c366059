"""Measures what a server holds in memory, and how soon it tells: the part memory of `make bench`.

Ten thousand phones wait for news, each on a connection of its own, then on a hundred connections.
Beside them a gate scans some of their codes, and each phone has to be told of its own. Then all
wait for one customer, so that one commit has to reach them all. Last, a server answers calls for
long: what it holds must not grow.
"""

import argparse
import asyncio
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.crowd import WIDE
from bench.lines import Line, Target, at_most, end, row, write
from bench.past import SERVED, Past, fill
from bench.past_names import CODES_A_SCAN, Size
from bench.processes import processor_seconds
from bench.resident import mebibytes, raise_open_files, resident_bytes
from bench.steady import play_steadily
from bench.waiting import waiting
from tests.e2e.served import Town, town

__all__ = ["Scale", "measure", "wait"]

FOLDER: Final = Path(__file__).parent.parent / "build" / "bench"

MANY_STREAMS: Final = (
    "from tallymark_server import options as o; limits_of = o.limits_of;"
    " o.limits_of = lambda rates: limits_of(rates)._replace(customer_streams=1_000_000)"
)
"""Server code that lets one customer have any number of streams."""

PHONES_OF_THE_TARGETS: Final = 10_000
CALLS_OF_THE_TARGET: Final = 100_000
"""By fewer the server's caches are not filled, and its memory grows until they are."""

STREAMS_A_CONNECTION: Final = 100
OTHER_FILES: Final = 1_000


class Scale(NamedTuple):
    """How many wait, and how long it is looked at."""

    phones: int = PHONES_OF_THE_TARGETS
    scans: int = 2_000
    scans_per_second: float = 100.0
    quiet_seconds: float = 20.0
    calls: int = CALLS_OF_THE_TARGET


QUICK: Final = Scale(phones=200, scans=100, quiet_seconds=2.0, calls=4_000)


def measure(*, is_quick: bool) -> list[Line]:
    """Let phones wait, and play calls for long."""
    return uvloop.run(look(QUICK if is_quick else Scale(), FOLDER / "memory"))


async def look(scale: Scale, folder: Path) -> list[Line]:
    """Return the lines; the folder is removed in any case."""
    raise_open_files(scale.phones + OTHER_FILES)
    try:
        past = await fill(folder, Size(scale.phones * CODES_A_SCAN, scale.phones))
        lines = [
            *await wait(scale, past, 1, at_most(900.0)),
            *await wait(scale, past, STREAMS_A_CONNECTION, at_most(350.0)),
            await _wait_together(scale, past),
            await _go_on(scale, past),
        ]
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return lines


async def wait(scale: Scale, past: Past, streams_a_connection: int, target: Target) -> list[Line]:
    """Let each phone wait for its own customer."""
    async with _served(past) as (served, pid):
        before = resident_bytes(pid)
        began = time.perf_counter()
        async with waiting(
            past, served, scale.phones, streams_a_connection=streams_a_connection
        ) as phones:
            seconds = time.perf_counter() - began
            held = resident_bytes(pid)
            share = await _share(pid, scale.quiet_seconds)
            sent = await phones.scan(range(scale.scans), scale.scans_per_second)
            told = await phones.end()
    late = sorted(_delays(sent, told))
    connections = -(-scale.phones // streams_a_connection)
    name = f"{scale.phones:,} phones on {connections:,} connections"
    is_full = scale.phones >= PHONES_OF_THE_TARGETS
    return [
        Line(
            name=f"{name}: memory",
            got=mebibytes(held),
            unit="MiB",
            target=target if is_full else None,
            note=f"{(held - before) / scale.phones / 1024:.1f} KiB for each, beside"
            f" {mebibytes(before):.0f} MiB; all were there after {seconds:.0f} s",
            figures={
                "phones": scale.phones,
                "connections": connections,
                "before": mebibytes(before),
                "each_bytes": (held - before) / scale.phones,
            },
        ),
        Line(name=f"{name}: processor while nothing happens", got=100 * share, unit="%"),
        Line(
            name=f"{name}: told of a scan, the last",
            got=late[-1],
            unit="ms",
            target=at_most(1_000.0),
            trials=len(late),
            note=f"after the gate sent it; half of them within {statistics.median(late):.0f} ms",
            figures={"milliseconds": late},
        ),
    ]


async def _wait_together(scale: Scale, past: Past) -> Line:
    """Let all phones wait for one customer, whose code is scanned once."""
    async with (
        _served(past, f"{MANY_STREAMS}; {SERVED}") as (served, _),
        waiting(
            past, served, scale.phones, streams_a_connection=STREAMS_A_CONNECTION, only=0
        ) as phones,
    ):
        sent = await phones.scan([0], 1.0)
        await asyncio.sleep(scale.quiet_seconds)
        told = await phones.end()
    late = [1000 * (times[-1] - sent[0]) for times in told if times[-1] > sent[0]]
    assert len(late) == scale.phones, f"{len(late)} of {scale.phones} were told"
    return Line(
        name=f"one scan, {scale.phones:,} streams: the last told",
        got=max(late),
        unit="ms",
        target=at_most(1_000.0),
        trials=len(late),
        note=f"half of them within {statistics.median(late):.0f} ms",
        figures={"milliseconds": sorted(late)[:: max(1, len(late) // 200)]},
    )


async def _go_on(scale: Scale, past: Past) -> Line:
    """Answer calls for long, and look at the memory now and then."""
    async with _served(past) as (served, pid):
        samples = [
            (calls, mebibytes(resident_bytes(pid)))
            async for calls in play_steadily(past, served, scale.calls)
        ]
    settled = [held for calls, held in samples if calls >= scale.calls / 2]
    middle = statistics.median(settled)
    spread = 100 * max(abs(held - middle) for held in settled) / middle
    return Line(
        name=f"memory over {scale.calls:,} calls, from the half on",
        got=spread,
        unit="%",
        target=at_most(2.0) if scale.calls >= CALLS_OF_THE_TARGET else None,
        trials=len(settled),
        note=f"around {middle:.0f} MiB; {samples[0][1]:.0f} MiB after the first {samples[0][0]:,}",
        figures={"samples": samples},
    )


def _delays(sent: dict[int, float], told: Sequence[Sequence[float]]) -> list[float]:
    """Return after how many milliseconds each was told; it is a fault if one was not."""
    return [
        1000 * (next(time for time in told[customer] if time > began) - began)
        for customer, began in sent.items()
    ]


async def _share(pid: int, seconds: float) -> float:
    """Return how much of a core a server uses while nothing happens."""
    before, began = processor_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    return (processor_seconds(pid) - before) / (time.perf_counter() - began)


@asynccontextmanager
async def _served(past: Past, code: str = SERVED) -> AsyncIterator[tuple[Town, int]]:
    async with town(past.folder, code=code, options=WIDE) as served:
        yield served, served.program.process.pid


def main() -> None:
    """Run this part alone, if wanted for longer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, help="over how many calls memory stays [100000]")
    parser.add_argument("--quick", action="store_true", help="run less long")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else Scale()
    if arguments.calls:
        scale = scale._replace(calls=arguments.calls)
    lines = uvloop.run(look(scale, FOLDER / "memory"))
    for line in lines:
        print(row(line))
    write("memory", lines)
    end(lines, is_strict=arguments.strict)


if __name__ == "__main__":
    main()
