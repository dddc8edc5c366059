"""Plays many seeds on all cores, and says what was reached and what was broken.

python -m tests.simulation --seeds 1000      seeds 0 to 999; writes build/reports/simulate.json
python -m tests.simulation --first 1000 --seeds 1000 --add     more seeds, for the same report
python -m tests.simulation --seed 7          one seed with its whole trace
"""

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tests.proof import Recorded, write_report
from tests.simulation.parts import LINE, Line, add_up, earlier_line, has_played
from tests.simulation.prepared import Prepared, prepared
from tests.simulation.simulator import Played, play

__all__ = ["MUST_BE_REACHED", "Sum", "main", "missing", "play_all", "show"]

MUST_BE_REACHED: Final = (
    "reply lost after commit",
    "request lost",
    "request duplicated",
    "request arrived after its caller gave up",
    "line cut to a till",
    "line cut to the institution",
    "line without a way back",
    "server crashed at an await",
    "server crashed before a commit",
    "server crashed after a commit, before the answer",
    "server crashed between intent and call",
    "server recovered after a crash",
    "server stopped because its clock was moved",
    "terminal crashed",
    "terminal found open sales after a crash",
    "sale completed by recovery",
    "sale given up before its request arrived",
    "request arrived after it was given up",
    "goods could not be handed out",
    "completed sale taken back",
    "code shown at two terminals",
    "dead code refused",
    "same id with another body refused",
    "process CONTESTED",
    "process DECLINED",
    "process EXPIRED",
    "process OVERDUE",
    "process RELEASED",
    "OVERDUE settled by the terminal's report",
    "OVERDUE settled by the operator",
    "CONTESTED settled by the operator",
    "charge waits for a person",
    "institution failed after executing",
    "reversal of an unseen authorisation left no mark",
    "late approval after its reversal, reversed again",
)
"""A run of enough seeds has to reach each of these, else it proves nothing about it."""

SEEDS_ENOUGH: Final = 1_000
"""From so many seeds on everything has to be reached; some of it takes hundreds."""

CHUNK: Final = 10


class Sum(NamedTuple):
    """What came of many seeds."""

    seeds: int
    broken: list[Played]
    reached: Counter[str]
    virtual_seconds: float
    turns: int
    commits: int
    answers: int

    def plus(self, played: Played) -> "Sum":
        """Return the sum with one seed more."""
        return Sum(
            self.seeds + 1,
            [*self.broken, played] if played.violation else self.broken,
            self.reached + played.reached,
            self.virtual_seconds + played.virtual_seconds,
            self.turns + played.turns,
            self.commits + played.commits,
            self.answers + played.answers,
        )


NOTHING: Final = Sum(0, [], Counter(), 0.0, 0, 0, 0)


def play_some(seeds: Iterable[int], world: Prepared) -> Iterator[Played]:
    """Play seeds in this process. What a run leaves behind is collected between two of them."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            yield play(seed, world)
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


def play_all(seeds: Sequence[int], processes: int) -> Iterator[Played]:
    """Play seeds in so many processes."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_prepare) as pool:
        for played in pool.imap_unordered(_play_chunk, chunks):
            yield from played


_world: list[Prepared] = []
_keep_open: list[object] = []


def _prepare() -> None:
    """Make the world of a worker process, which lasts as long as the process."""
    making = prepared()
    _world.append(making.__enter__())
    _keep_open.append(making)


def _play_chunk(seeds: Sequence[int]) -> list[Played]:
    return list(play_some(seeds, _world[0]))


def missing(reached: Counter[str]) -> list[str]:
    """Return the rare states that were never reached."""
    return [state for state in MUST_BE_REACHED if not reached[state]]


def show(played: Played) -> None:
    """Print the trace of a seed, or its tail, and how to play it again."""
    _say("\n".join(played.trace))
    hours = played.virtual_seconds / 3600
    _say(f"\nseed {played.seed}: {played.violation or 'no promise was broken'}")
    _say(f"{hours:.1f} virtual hours, {played.turns} steps, {played.commits} commits")
    _say(f"trace {played.trace_hash}; play it again: make simulate SEED={played.seed}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Play what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="make simulate", description="Play seeds.")
    parser.add_argument("--seeds", type=int, default=SEEDS_ENOUGH, help="how many, from 0 on")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--add", action="store_true", help="to what the report has of other seeds")
    parser.add_argument("--seed", type=int, help="one alone, with its whole trace")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    wanted = parser.parse_args()
    if wanted.seed is not None:
        with prepared() as world:
            played = play(wanted.seed, world, keep_trace=True)
        show(played)
        return 1 if played.violation else 0
    seeds = range(wanted.first, wanted.first + wanted.seeds)
    earlier = earlier_line() if wanted.add else None
    if earlier is not None and has_played(earlier, seeds):
        parser.error("the report has some of these seeds: choose others with --first")
    return _campaign(seeds, wanted.processes, earlier)


def _campaign(seeds: range, processes: int, earlier: Line | None) -> int:
    started = time.perf_counter()
    total, told_at = NOTHING, started
    for played in play_all(seeds, processes):
        total = total.plus(played)
        if played.violation:
            show(played)
        if time.perf_counter() > told_at + 60:
            told_at = time.perf_counter()
            _say(f"{total.seeds} seeds, {len(total.broken)} broken")
    seconds = time.perf_counter() - started
    _say_sum(total, seconds, processes)
    line = _line(total, seeds, seconds)
    write_report("simulate", [add_up(earlier, line) if earlier else line], add=True)
    never = missing(total.reached) if total.seeds >= SEEDS_ENOUGH else []
    for state in never:
        _say(f"never reached: {state}")
    return 1 if total.broken or never else 0


def _say_sum(total: Sum, seconds: float, processes: int) -> None:
    for state, times in sorted(total.reached.items()):
        _say(f"{times:9}  {state}")
    _say(
        f"{total.seeds} seeds, {total.virtual_seconds / 3600:.0f} virtual hours,"
        f" {total.commits} commits, {total.answers} answers checked; {len(total.broken)} broken;"
        f" {seconds:.0f} s, {total.seeds / seconds:.1f} seeds a second in {processes} processes"
    )


def _line(total: Sum, seeds: range, seconds: float) -> Recorded:
    return Recorded(
        name=LINE,
        trials=total.seeds,
        failures=len(total.broken),
        faults_fired=dict(sorted(total.reached.items())),
        seconds=round(seconds, 1),
        figures={
            "virtual_hours": round(total.virtual_seconds / 3600, 1),
            "steps": total.turns,
            "commits_checked": total.commits,
            "answers_checked": total.answers,
            "seeds": [[seeds.start, seeds.stop]],
            "broken_seeds": [played.seed for played in total.broken],
        },
    )
