"""Writes the figures of docs/performance.md: `python -m bench.page`, after `make bench`.

Between the lines `<!-- bench: PLACE -->` and `<!-- end -->` of that page stands the table of the
lines that belong to the place, as the reports in build/reports have them. What was not measured
since stays as it is. Nobody types a number.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.plots import draw

__all__ = ["PLACES", "filled", "read_lines", "table"]

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "performance.md"
PLOT_FOLDER: Final = ROOT / "docs" / "performance"
REPORTS: Final = ROOT / "build" / "reports"

NAMES: Final = ("growth", "memory", "scanning", "footprint", "overload", "replay", "bench")
"""Reports with lines of a bench."""

PLACES: Final[Mapping[str, str]] = {
    "machine": r"machine$",
    "calls": r"(echo of|issue$|admit$|sale$|admit / |sale / )",
    "exchange": r"(exchange|raw SQLite)",
    "latency": r"admit (at half|alone)",
    "slowdown": r"(slowed down|against itself)",
    "growth": r"(start on|memory on|database of \d)|.* codes, (processor|latency)$",
    "footprint": r"database bytes of",
    "purging": r"(rows removed|longest stall|pages that are free|database for each)",
    "memory": r".* phones on |one scan, .* streams|memory over",
    "scanning": r"scan \d+p",
    "ghz": r"ghz",
    "overload": r"peak, |.*x the peak",
    "replay": r"replay ",
}
"""Which lines stand where: a pattern for the beginning of their names."""

_PLACE: Final = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Lines = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Draw the plots and fill the page."""
    lines = read_lines(REPORTS)
    drawn = draw(PLOT_FOLDER, lines)
    PAGE.write_text(filled(PAGE.read_text(), lines))
    lost = [name for name in lines if _place_of(name) is None]
    print(f"{len(lines)} lines, {len(drawn)} plots; no place for: {', '.join(lost) or 'none'}")


def read_lines(reports: Path) -> Lines:
    """Return the figures of all lines by their names; the newest report has its places alone."""
    files = [file for name in NAMES if (file := reports / f"{name}.json").exists()]
    found: dict[str, Mapping[str, Any]] = {}
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        read = json.loads(file.read_text())
        lines = _replays(read) if file.stem == "replay" else read
        places = {_place_of(line["name"]) for line in lines}
        found = {name: one for name, one in found.items() if _place_of(name) not in places}
        found.update((line["name"], line["figures"]) for line in lines)
    return found


def _place_of(name: str) -> str | None:
    """Return where a line stands, None for nowhere."""
    return next((place for place, pattern in PLACES.items() if re.match(pattern, name)), None)


def _replays(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the report of a replay as lines: it is what the program `tallymark-load` tells."""
    messages = report["recording"]["messages"]
    lines = []
    for pace, replay in report["replays"].items():
        late = replay["timing"]["timing_error_ms"].get("p99")
        told = f"timing error {late:.1f} ms at p99, " if late is not None else ""
        differences = replay["unexplained_differences"]
        figures = {
            "got": differences,
            "unit": "",
            "target": "<= 0",
            "is_met": not differences,
            "note": f"{told}{messages:,} messages recorded",
        }
        lines.append({"name": f"replay {pace}: unexplained differences", "figures": figures})
    return lines


def filled(page: str, lines: Lines) -> str:
    """Return the page with the newest table in each of its places."""

    def fill(match: re.Match[str]) -> str:
        begin, place, end = match.groups()
        here = {name: one for name, one in lines.items() if _place_of(name) == place}
        return f"{begin}{table(here)}{end}" if here else match[0]

    return _PLACE.sub(fill, page)


def table(lines: Lines) -> str:
    """Return lines as a table in Markdown."""
    rows = [
        "| Measured | Wanted | Came | | |",
        "|---|---|---|---|---|",
        *(_row(name, one) for name, one in lines.items()),
    ]
    return "\n".join(rows) + "\n"


def _row(name: str, one: Mapping[str, Any]) -> str:
    verdict = ("met" if one["is_met"] else "**missed**") if one["target"] else ""
    came = f"{_number(one['got'])} {one['unit']}".strip()
    cells = (name, one["target"], came, verdict, one["note"])
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def _number(value: float) -> str:
    """Return it with three digits that tell something."""
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"  # noqa: PLR2004 -- digits


if __name__ == "__main__":
    main()
