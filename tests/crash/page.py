"""Writes what a certificate counted: a page for people, and a report for the table of promises."""

# ruff: noqa: E501 -- the page's own lines

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.crash.certificate import BUGS, Certificate, Scale
from tests.crash.cuts import Cuts
from tests.crash.walk import FAULTS, NOT_WALKED, Walked
from tests.proof import Recorded

__all__ = ["PAGE", "lines_of", "page_of"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "proof" / "crash-certificate.md"

_HEAD: Final = """\
# Crash certificate

Written by the programs in `tests/crash` (`make crash-certificate`), not by hand: real server processes on a real SQLite file, watched and disturbed by `strace`.

- **Killed:** `SIGKILL` at the entry of the Nth write or sync of the database's files, {which}. Then another server starts on what is left, and the same request is sent again, into the next boundary.
- **EIO, ENOSPC:** the same writes and syncs fail, once or for ever. The server answers that the outcome is unknown, ends with exit code 3 and says why; then as above.
- **Cut:** one run is recorded and the power is cut at every call in it: once all is taken that was not synced, {torn} times some of it is left, calls in any choice and some torn at a sector. What SQLite recovers has to be, byte for byte, the state after one of the commits, and not an earlier one than what had been answered. Each of these states passes `integrity_check` and the journal's chain.
- **Found whole:** nobody had the answer, and the request was there: as a whole, with the same answer when it is asked for again. In all other cases nothing of it was there.
- **Lost:** answered, and not there or answered otherwise afterwards.
"""

_TABLE: Final = """
## Every changing RPC

| RPC | killed at | EIO at | ENOSPC at | restarts that served | found whole | cut at | cuts | lost | in part or damaged |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""

_LOADS: Final = """
## Under load

Buyers pay a bill, use a ticket and earn points with each scan, all at once, so that several share a commit. In every state of the database each scan has done all three or none of them, and all points come to zero.
*Answers tried* counts, for every cut, the answers that had been given by then; one answer is tried as often as the power goes after it.

| load | events | commits | cuts | of these torn | answers tried | lost | in part or damaged |
|---|--:|--:|--:|--:|--:|--:|--:|
"""


def page_of(made: Certificate, *, scale: Scale) -> str:
    """Return the page."""
    rows = [_row(path, walked, made.cut) for path, walked in sorted(made.walked.items()) if walked]
    loads = {"one call after another": made.cut, **made.loads}
    return "".join(
        [
            _HEAD.format(torn=scale.torn_per_event, which=_which(scale)),
            _TABLE,
            *rows,
            "\nNot in it: ",
            "; ".join(f"`{path}` {why}" for path, why in NOT_WALKED.items()),
            ".\n",
            _LOADS,
            *(_load(name, cuts) for name, cuts in loads.items()),
            *_end(made),
        ]
    )


def _which(scale: Scale) -> str:
    if not scale.numbers:
        return "N = 1 to the end"
    return f"here only N = {', '.join(map(str, scale.numbers))}"


def _row(path: str, walked: dict[str, Walked], cut: Cuts) -> str:
    total = Walked()
    for one in walked.values():
        total.add(one)
    part = cut.by_part[path]
    return _cells(
        path,
        *(walked[fault.name].boundaries for fault in FAULTS),
        total.recovered,
        total.found_whole,
        part.events,
        part.cuts,
        total.lost + part.lost,
        len(total.broken) - total.lost + part.broken,
    )


def _load(name: str, cuts: Cuts) -> str:
    return _cells(
        name,
        *(cuts.events, cuts.states - 1, cuts.cuts, cuts.torn, cuts.acknowledged, cuts.lost),
        len(cuts.broken),
    )


def _cells(name: str, *counts: int) -> str:
    return f"| {name} | " + " | ".join(f"{count:,}" for count in counts) + " |\n"


def _end(made: Certificate) -> Iterator[str]:
    killed = made.killed
    yield (
        f"\n**Random kills:** {killed.kills:,} servers were killed one after the other while customers bought; {killed.acknowledged:,} answers were given, {killed.repeated:,}"
        f" requests without an answer were sent again to the next server, {killed.lost} answers were lost, {len(killed.broken)} states were in part or damaged.\n"
    )
    yield "\n## Planted bugs\n\nThe same programs find servers that have one of these bugs:\n\n"
    for bug in BUGS:
        yield f"- {bug.guarantee}, {bug.words}: found at try {made.mutants[bug.words]:,}\n"
    yield f"\nMade with SQLite {sqlite3.sqlite_version} in {made.minutes:.0f} minutes on two cores that had other work besides.\n"


def _found_by(made: Certificate, guarantee: str) -> dict[str, int]:
    return {bug.words: made.mutants[bug.words] for bug in BUGS if bug.guarantee == guarantee}


def lines_of(made: Certificate) -> list[Recorded]:
    """Return the lines of the report."""
    walked = {fault.name: Walked() for fault in FAULTS}
    for by_fault in made.walked.values():
        for name, one in by_fault.items():
            walked[name].add(one)
    seconds = made.seconds
    lines = [
        Recorded(
            name="G2 answers after random kills",
            trials=made.killed.acknowledged,
            failures=made.killed.lost + len(made.killed.broken),
            faults_fired={"killed": made.killed.kills},
            seconds=seconds["kills"],
        )
    ]
    for name, one in walked.items():
        guarantee = "G2" if name == "killed" else "G21"
        lines.append(
            Recorded(
                name=f"{guarantee} every boundary of every RPC, {name}",
                trials=one.boundaries,
                failures=len(one.broken),
                faults_fired={name: one.boundaries},
                mutants_killed=_found_by(made, guarantee),
                seconds=round(seconds["faults"] / len(walked), 1),
                figures={"found whole": one.found_whole, "restarts that served": one.recovered},
            )
        )
    for name, cuts in {"every RPC": made.cut, **made.loads}.items():
        lines.append(
            Recorded(
                name=f"G3 G6 answers after power cuts, {name}",
                trials=cuts.acknowledged,
                failures=cuts.lost + len(cuts.broken),
                faults_fired={"taken": cuts.cuts - cuts.torn, "torn": cuts.torn},
                mutants_killed=_found_by(made, "G3"),
                seconds=cuts.seconds,
                figures={"events": cuts.events, "commits": cuts.states - 1, "cuts": cuts.cuts},
            )
        )
    return lines
