"""A campaign in parts: what the report has of earlier seeds, and the sum with later ones."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tests.proof import REPORTS, Recorded

__all__ = ["LINE", "Line", "add_up", "earlier_line", "has_played"]

LINE: Final = "G24 simulation of the whole system"

Line = Mapping[str, Any]
"""A line as it stands in the report."""


def earlier_line() -> Line | None:
    """Return what the report has, or None."""
    report = REPORTS / "simulate.json"
    if not report.exists():
        return None
    lines: list[Line] = json.loads(report.read_text())
    return next((line for line in lines if line["name"] == LINE), None)


def has_played(line: Line, seeds: range) -> bool:
    """Say whether it has some of these seeds."""
    return any(
        start < seeds.stop and seeds.start < stop for start, stop in line["figures"]["seeds"]
    )


def add_up(earlier: Line, later: Recorded) -> Recorded:
    """Return both as one; they have no seed in common."""
    fired = Counter(earlier["faults_fired"]) + Counter(later.faults_fired)
    figures = {name: earlier["figures"][name] + value for name, value in later.figures.items()}
    return replace(
        later,
        trials=earlier["trials"] + later.trials,
        failures=earlier["failures"] + later.failures,
        faults_fired=dict(sorted(fired.items())),
        seconds=round(earlier["seconds"] + later.seconds, 1),
        figures={**figures, "seeds": _joined(figures["seeds"])},
    )


def _joined(ranges: list[list[int]]) -> list[list[int]]:
    """Return the same seeds in as few ranges as they are."""
    joined: list[list[int]] = []
    for start, stop in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    return joined
