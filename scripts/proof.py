"""Write docs/proof/README.md, and the ladder in docs/security.md, from the reports of all runs.

`make test` leaves build/reports/guarantees.json, each campaign a report named like its make target.
Nothing in the tables is written by hand. `--check` only says whether each guarantee that the last
`make test` tried has a row.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
REPORTS: Final = ROOT / "build" / "reports"
PROOF: Final = ROOT / "docs" / "proof" / "README.md"
SECURITY: Final = ROOT / "docs" / "security.md"

Report = dict[str, dict[str, Any]]

_LEVELS: Final = {
    "L0": "G12 baseline L0 bearer code",
    "L1": "G12 L1 claim and signed confirmation",
    "L2": "G12 L2 bound to the terminal",
}
_CAMPAIGNS: Final = ("attack", "simulate", "crash-certificate", "chaos", "fuzz")
"""Make targets that try promises for long."""

_DELAYS: Final = ("0", "0.5", "1", "3", "10", "60")


def main() -> int:
    """Write the tables, or check them."""
    in_ci = _read("guarantees", made_by="test")
    if "--check" in sys.argv:
        missing = [name for name in in_ci if f"| {name} |" not in PROOF.read_text()]
        print(*(f"docs/proof/README.md has no row of: {name}" for name in missing), sep="\n")
        return 1 if missing else 0
    campaigns = {
        name: {**line, "target": target}
        for target in _CAMPAIGNS
        for name, line in _read(target, made_by=target).items()
    }
    _replace(PROOF, "rows", _rows(in_ci, campaigns))
    _replace(SECURITY, "ladder", _ladder(campaigns))
    return 0


def _read(name: str, *, made_by: str) -> Report:
    path = REPORTS / f"{name}.json"
    if not path.exists():
        sys.exit(f"{path} is missing: run make {made_by} first")
    return {line["name"]: line for line in json.loads(path.read_text())}


def _rows(in_ci: Report, campaigns: Report) -> Iterable[str]:
    yield "| promise | N in CI | s | N in the campaign | s | make | broken | planted bugs found |"
    yield "|---|--:|--:|--:|--:|---|--:|---|"
    for name in sorted({*in_ci, *campaigns}, key=_order):
        small, large = in_ci.get(name), campaigns.get(name)
        broken = sum(line["failures"] for line in (small, large) if line)
        bugs = ", ".join(_bugs((large or small or {}).get("mutants_killed", ())))
        target = large["target"] if large else ""
        yield f"| {name} | {_counts(small)} | {_counts(large)} | {target} | {broken} | {bugs} |"


def _bugs(killed: list[str] | dict[str, int]) -> Iterable[str]:
    """Name the planted bugs, where it was counted with the number of trials that found each."""
    if isinstance(killed, dict):
        return (f"{name} (after {trials:,})" for name, trials in killed.items())
    return killed


def _counts(line: Mapping[str, Any] | None) -> str:
    return f"{line['trials']:,} | {line['seconds']:.1f}" if line else "- | -"


def _order(name: str) -> tuple[int, str]:
    number = re.match(r"G(\d+)", name)
    return int(number[1]) if number else 0, name


def _ladder(campaign: Report) -> Iterable[str]:
    yield "| level | | " + " | ".join(f"d = {delay} s" for delay in _DELAYS) + " |"
    yield "|---|---|" + "--:|" * len(_DELAYS)
    for level, name in _LEVELS.items():
        lines = [campaign[f"{name}, stolen after {delay} s"] for delay in _DELAYS]
        stolen = [line["figures"].get("stolen", line["failures"]) for line in lines]
        spoilt = [line["figures"]["honest_failures"] for line in lines]
        yield f"| {level} | stolen | " + " | ".join(map(str, stolen)) + " |"
        yield "| | spoilt | " + " | ".join(map(str, spoilt)) + " |"


def _replace(path: Path, name: str, lines: Iterable[str]) -> None:
    """Put the lines between the marks of this name."""
    marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    table = "\n".join(lines)
    text, count = re.subn(
        marks, lambda found: f"{found[1]}{table}\n{found[2]}", path.read_text(), flags=re.DOTALL
    )
    if count != 1:
        sys.exit(f"{path} has no place for {name}")
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
