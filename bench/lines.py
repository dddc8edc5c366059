"""Lines of the report: what was measured, what is wanted, and what came.

A part of `make bench` is a module with one function

    def measure(*, is_quick: bool) -> Sequence[Line]

which prints nothing on stdout, ends by itself, and runs less long when it `is_quick`. It is named
in `bench/__main__.py`. A part of its own `make` target ends with `main(measure, "growth")`, which
takes `--quick` and `--strict`, prints its lines, and writes build/reports/growth.json.

A target that is missed is news and no failure, so a bench ends with 0 unless it is told `--strict`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from tests.proof import Recorded, write_report

__all__ = ["Line", "Target", "at_least", "at_most", "end", "main", "row", "write"]

EXIT_MISSED: Final = 1
"""With `--strict`, when a target was missed; without it a bench that ran through ends with 0."""


class Target(NamedTuple):
    """What a figure has to be."""

    relation: Literal[">=", "<="]
    bound: float

    def is_met_by(self, got: float) -> bool:
        """Compare."""
        return got >= self.bound if self.relation == ">=" else got <= self.bound

    def __str__(self) -> str:
        """Return it as a reader writes it."""
        return f"{self.relation} {self.bound:g}"


def at_least(bound: float) -> Target:
    """Return the target of a figure that has to be large."""
    return Target(">=", bound)


def at_most(bound: float) -> Target:
    """Return the target of a figure that has to be small."""
    return Target("<=", bound)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of the report."""

    name: str
    """What was measured, as in "admit / echo"."""

    got: float
    unit: str = ""
    """Empty for a ratio."""

    target: Target | None = None
    """None for what is only stated."""

    trials: int = 1
    """Rounds, or whatever it is the median of."""

    note: str = ""
    """What a reader has to know beside the figure: its interval, or what was the limit."""

    figures: Mapping[str, Any] = field(default_factory=dict)
    """What else goes into the JSON."""

    @property
    def is_met(self) -> bool:
        """Whether its target was met; what has none misses none."""
        return self.target is None or self.target.is_met_by(self.got)


def row(line: Line) -> str:
    """Return the line as the table has it: name, target, got, whether it is met."""
    wanted = str(line.target or "")
    verdict = "" if line.target is None else "met" if line.is_met else "MISSED"
    got = f"{line.got:,.{_decimals(line.got)}f} {line.unit}".strip()
    return f"{line.name:54} {wanted:>9} {got:>16}  {verdict:6} {line.note}".rstrip()


def write(name: str, lines: Sequence[Line], *, add: bool = False) -> Path:
    """Write build/reports/NAME.json; with `add`, lines of other names stay in it."""
    return write_report(name, [_recorded(line) for line in lines], add=add)


def end(lines: Sequence[Line], *, is_strict: bool) -> None:
    """End the program with what its lines say."""
    missed = [line.name for line in lines if not line.is_met]
    if missed:
        print(f"missed: {', '.join(missed)}")
    sys.exit(EXIT_MISSED if missed and is_strict else 0)


def main(measure: Callable[..., Sequence[Line]], name: str) -> None:
    """Run one part alone."""
    parser = argparse.ArgumentParser(description=sys.modules[measure.__module__].__doc__)
    parser.add_argument("--quick", action="store_true", help="run less long")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args()
    lines = measure(is_quick=arguments.quick)
    for line in lines:
        print(row(line))
    write(name, lines)
    end(lines, is_strict=arguments.strict)


def _recorded(line: Line) -> Recorded:
    return Recorded(
        name=line.name,
        trials=line.trials,
        failures=0 if line.is_met else 1,
        figures={
            "got": line.got,
            "unit": line.unit,
            "target": str(line.target or ""),
            "is_met": line.is_met,
            "note": line.note,
            **line.figures,
        },
    )


def _decimals(value: float) -> int:
    """Return how many digits after the point tell something: three or four digits in all."""
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3  # noqa: PLR2004 -- digits
