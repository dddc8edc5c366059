"""Measures what a call costs by how much the database holds: the part growth of `make bench`.

Servers run side by side on databases with 10^4, 10^6 and 10^7 codes (bench/past.py). Rounds of the
same calls go to each in turn, for customers and processes that no round before asked for, so that
nothing is measured which the server remembers anyway. A round gives the ratios, large to small, of
the server's processor time for a call, and of the median time until the answer.
"""

import argparse
import asyncio
import shutil
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.compare import ratio_of
from bench.contestants import Caller
from bench.crowd import WIDE
from bench.lines import Line, at_most, end, row, write
from bench.past import DISK_BYTES_A_CODE, SERVED, Past, fill
from bench.past_calls import KINDS, PastCalls
from bench.past_names import Size
from bench.processes import LOAD_CORE, hands
from bench.resident import mebibytes, resident_bytes
from bench.rounds import Rounds, play_rounds
from tests.e2e.served import town

__all__ = ["Scale", "compare_served", "measure"]

FOLDER: Final = Path(__file__).parent.parent / "build" / "bench"

CODES_A_CUSTOMER: Final = 10
RATIO_MAX: Final = at_most(1.25)


class Scale(NamedTuple):
    """What is compared, and how often."""

    codes: Sequence[int] = (10_000, 1_000_000, 10_000_000)
    """The first one is what the others are compared with."""

    customers_least: int = 100_000
    rounds: int = 20
    calls: int = 100
    """Of each kind in a round."""

    def size(self, codes: int) -> Size:
        """Return how much there is beside so many codes."""
        return Size(codes, max(self.customers_least, codes // CODES_A_CUSTOMER))


QUICK: Final = Scale(codes=(2_000, 20_000), customers_least=2_000, rounds=4, calls=40)


class Started(NamedTuple):
    """How a server started on a past."""

    past: Past
    pid: int
    seconds: float
    resident_bytes: int


def measure(*, is_quick: bool) -> list[Line]:
    """Fill databases, and compare the servers on them."""
    return uvloop.run(compare(QUICK if is_quick else Scale(), FOLDER))


async def compare(scale: Scale, folder: Path) -> list[Line]:
    """Return the lines; the databases are removed in any case.

    Raises:
        RuntimeError: the disk has no room for them.

    """
    _demand_room(scale, folder)
    try:
        pasts = [
            await fill(folder / f"past-{number}", scale.size(number)) for number in scale.codes
        ]
        return await compare_served(scale, pasts)
    finally:
        for number in scale.codes:
            await asyncio.to_thread(shutil.rmtree, folder / f"past-{number}", ignore_errors=True)


def _demand_room(scale: Scale, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(scale.codes) * DISK_BYTES_A_CODE
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = f"{folder} needs {needed >> 20} MiB, and has {free >> 20}: give --codes fewer"
        raise RuntimeError(message)


async def compare_served(scale: Scale, pasts: Sequence[Past]) -> list[Line]:
    """Serve all of them, and play rounds at each in turn; the first one is compared with."""
    async with AsyncExitStack() as stack:
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        contestants, starts = [], []
        for past in pasts:
            began = time.perf_counter()
            served = await stack.enter_async_context(town(past.folder, code=SERVED, options=WIDE))
            pid, seconds = served.program.process.pid, time.perf_counter() - began
            starts.append(Started(past, pid, seconds, resident_bytes(pid)))
            name = str(past.names.size.codes)
            contestants.append(PastCalls(past, served, caller, scale.calls, name=name))
        rounds = await play_rounds(contestants, scale.rounds)
        lines = [line for start in starts for line in _start_lines(start)]
    small, *larger = scale.codes
    return [
        *lines,
        *(
            _ratio_line(rounds, kind, small, large, what)
            for large in larger
            for kind in KINDS
            for what in ("processor", "latency")
        ),
    ]


def _start_lines(start: Started) -> list[Line]:
    size = start.past.names.size
    database = start.past.folder / "data" / "tallymark.sqlite3"
    figures = {"codes": size.codes, "customers": size.customers, "scans": size.scans}
    held = resident_bytes(start.pid)
    return [
        Line(name=f"start on {size.codes:,} codes", got=start.seconds, unit="s", figures=figures),
        Line(
            name=f"memory on {size.codes:,} codes",
            got=mebibytes(start.resident_bytes),
            unit="MiB",
            note=f"after the start; {mebibytes(held):.0f} MiB after all calls",
            figures={**figures, "at_end": mebibytes(held)},
        ),
        Line(
            name=f"database of {size.codes:,} codes",
            got=mebibytes(database.stat().st_size),
            unit="MiB",
            note=f"with {size.scans:,} finished scans and {size.customers:,} customers",
            figures=figures,
        ),
    ]


def _ratio_line(rounds: Rounds, kind: str, small: int, large: int, what: str) -> Line:
    def took(codes: int) -> list[float]:
        taken = rounds.of(f"{kind} {codes}")
        if what == "processor":
            return [one.processor_microseconds for one in taken]
        return [statistics.median(one.milliseconds) for one in taken]

    before, after = took(small), took(large)
    ratio = ratio_of([one / other for one, other in zip(after, before, strict=True)])
    unit = "us" if what == "processor" else "ms"
    return Line(
        name=f"{kind}, {large:.0e} / {small:.0e} codes, {what}".replace("e+0", "e"),
        got=ratio.mean,
        target=RATIO_MAX,
        trials=len(before),
        note=f"95 %: {ratio.low:.2f} to {ratio.high:.2f}; {statistics.median(after):.3g} {unit}"
        f" after {statistics.median(before):.3g}",
        figures={
            "kind": kind,
            "call": KINDS[kind],
            "what": what,
            "small": small,
            "large": large,
            "interval": [ratio.low, ratio.high],
            "medians": [statistics.median(before), statistics.median(after)],
        },
    )


def main() -> None:
    """Run this part alone, if wanted on databases of other sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, nargs="+", help="sizes to compare [10^4 10^6 10^7]")
    parser.add_argument("--quick", action="store_true", help="run less long")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else Scale()
    if arguments.codes:
        scale = scale._replace(codes=arguments.codes)
    lines = uvloop.run(compare(scale, FOLDER))
    for line in lines:
        print(row(line))
    write("growth", lines)
    end(lines, is_strict=arguments.strict)


if __name__ == "__main__":
    main()
