"""Measures the server: `make bench`, or `python -m bench PART ...` for some parts of it.

Each line says what was measured, what is wanted, what came, and whether that is met. Machines
differ, so nearly everything that is wanted is a ratio of two things measured in turns on the same
one. Writes build/reports/bench.json, or bench-quick.json; when some parts are named, the lines of
the others stay in it.
"""

import argparse
import functools
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Final

from bench import calls
from bench.lines import Line, end, row, write
from bench.machine import machine

MODULES: Final = (
    *("latency", "slowdown", "overload", "growth", "footprint", "memory", "purging"),
    *("scanning", "ghz"),
)
"""Parts that are modules of this package, each with its `measure`."""

PARTS: Final = (*calls.KINDS, *MODULES)

LONG: Final = {"overload", "purging"}
"""Left out by `--quick` unless they are named."""

Measure = Callable[..., Sequence[Line]]


def main() -> None:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} [all]")
    parser.add_argument("--quick", action="store_true", help="end within three minutes")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    began = time.monotonic()
    lines = [machine()]
    print(row(lines[0]))
    report = "bench-quick" if arguments.quick else "bench"
    broken: list[str] = []
    wanted = arguments.parts or [name for name in PARTS if not (arguments.quick and name in LONG)]
    for name, measure in _chosen(wanted).items():
        print(f"\n{name}, after {time.monotonic() - began:.0f} s", flush=True)
        try:
            measured = measure(is_quick=arguments.quick)
        except Exception:  # noqa: BLE001 -- the other parts are measured all the same
            traceback.print_exc()
            broken.append(name)
            continue
        print(*map(row, measured), sep="\n", flush=True)
        lines += measured
        write(report, lines, add=bool(arguments.parts))
    print(f"\nplayed for {time.monotonic() - began:.0f} s")
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")
    end(lines, is_strict=arguments.strict)


def _chosen(names: Sequence[str]) -> Mapping[str, Measure]:
    """Return what to play: all kinds of calls together, in turns, then part after part."""
    kinds = [kind for kind in calls.KINDS if kind in names]
    together = {", ".join(kinds): functools.partial(calls.measure, kinds=kinds)} if kinds else {}
    return {
        **together,
        **{name: import_module(f"bench.{name}").measure for name in MODULES if name in names},
    }


if __name__ == "__main__":
    main()
