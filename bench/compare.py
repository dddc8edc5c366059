"""Compares the server with an earlier one, both serving at once: `make compare BASE=<commit>`.

Rounds come in pairs, in changing order: the same number of scans at the same pace, at the one
server and at the other. Each pair gives two ratios, now to then: processor time of the server for
a scan, and the median answer time. A difference counts when the 95 % interval of the mean ratio
leaves out 1. What disturbs the machine disturbs both.
"""

import argparse
import asyncio
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

from bench.processes import processor_seconds
from tallymark.v1.identification_pb2 import CODE_PURPOSE_POINTS
from tests.e2e.served import SERVER, Town, town
from tests.e2e.volley import Volley, fire, shooters
from tests.world.actions import earn
from tests.world.phone import Phone
from tests.world.terminal import Terminal

ROOT: Final = Path(__file__).parent.parent
REPORT: Final = ROOT / "build" / "reports" / "compare.json"

WIDE: Final = ("--address-rate", "10000", "10000", "--strangers-rate", "10000", "10000")
"""So that everybody may register at once."""

MEMBERS: Final = ("protos/gen", "protos", "server")
"""Folders of a checkout that the server is imported from."""

SCANS: Final = 200
SCANS_PER_SECOND: Final = 100.0
PAIRS: Final = 20
NORMAL_95: Final = 1.96


class Side(NamedTuple):
    """A server with people in it."""

    town: Town
    phones: Sequence[Phone]
    gate: Terminal


class Round(NamedTuple):
    """What a round took: microseconds of processor time, and milliseconds until the answer."""

    processor: float
    median: float


class Ratio(NamedTuple):
    """Geometric mean of the ratios of all pairs, with its 95 % interval."""

    mean: float
    low: float
    high: float


def main() -> None:
    """Compare, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of rounds [%(default)s]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallymark-compare-") as folder:
        checkout = Path(folder) / "base"
        _git("worktree", "add", "--quiet", "--detach", str(checkout), arguments.base)
        try:
            with shooters(1) as processes:
                pairs = asyncio.run(compare(Path(folder), checkout, arguments.pairs, processes))
        finally:
            _git("worktree", "remove", "--force", str(checkout))
    ratios = {
        name: ratio_of([getattr(now, name) / getattr(then, name) for then, now in pairs])
        for name in Round._fields
    }
    for name, ratio in ratios.items():
        print(f"{name:10} now/then {ratio.mean:.3f}  95 %: {ratio.low:.3f} to {ratio.high:.3f}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {"base": arguments.base, "pairs": len(pairs), "ratios": ratios, "rounds": pairs}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")


async def compare(
    folder: Path, checkout: Path, pairs: int, processes: ProcessPoolExecutor
) -> list[tuple[Round, Round]]:
    """Return what each pair of rounds took: then, now."""
    async with AsyncExitStack() as stack:
        sides = [
            await _open(stack, folder / name, source)
            for name, source in (("then", checkout), ("now", ROOT))
        ]
        for side in sides:
            await play(side, processes)  # warm
        taken: list[tuple[Round, Round]] = []
        for number in range(pairs):
            order = sides if number % 2 else sides[::-1]
            rounds = {id(side): await play(side, processes) for side in order}
            taken.append((rounds[id(sides[0])], rounds[id(sides[1])]))
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {pairs} pairs", end="", file=sys.stderr)
        return taken


async def play(side: Side, processes: ProcessPoolExecutor) -> Round:
    """Scan a code of everybody, and return what it took."""
    codes = [await phone.issue(CODE_PURPOSE_POINTS) for phone in side.phones]
    requests = [
        side.gate.resolve_request(code, earn(1), complete_on_instruction=True) for code in codes
    ]
    volley = Volley(
        target=f"127.0.0.1:{side.town.app.terminal_port}",
        ca_pem=side.town.ca_pem,
        identity=side.gate.identity,
        method="/tallymark.v1.TerminalService/ResolveCode",
        requests=[request.SerializeToString() for request in requests],
        per_second=SCANS_PER_SECOND,
    )
    before = processor_seconds(side.town.program.process.pid)
    fired = await asyncio.get_running_loop().run_in_executor(processes, fire, volley)
    seconds = processor_seconds(side.town.program.process.pid) - before
    assert fired.reasons == {"OK": len(codes)}, fired.reasons
    return Round(1e6 * seconds / len(codes), statistics.median(fired.milliseconds))


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """Return the geometric mean of the ratios and its 95 % interval, by Student's t."""
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.fmean(logs)
    margin = _student_95(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Ratio(*(math.exp(value) for value in (mean, mean - margin, mean + margin)))


def _student_95(freedom: int) -> float:
    """Return how many standard errors are in the interval (Abramowitz and Stegun 26.7.5).

    From 3 degrees of freedom on it is off by less than 1 %.
    """
    z = NORMAL_95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


async def _open(stack: AsyncExitStack, folder: Path, source: Path) -> Side:
    """Serve what is in a checkout, and let people in."""
    await asyncio.to_thread(folder.mkdir, mode=0o700)
    paths = [str(source / member) for member in MEMBERS]
    code = f"import sys; sys.path[:0] = {paths!r}; {SERVER}"
    made = await stack.enter_async_context(town(folder, code=code, options=WIDE))
    phones = [await made.add_phone(f"guest-{number}") for number in range(SCANS)]
    return Side(made, phones, await made.add_terminal("gate-1"))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
