"""What the tests of the guarantees count, and where it is written down.

A test of a guarantee takes the fixture `proof`, asks it how often to try, and records what came of
it. In CI the numbers are small and the seeds fixed; `--campaign` makes them large (`make attack`).
What was recorded is written to build/reports at the end, and summed up in docs/proof/README.md.
"""

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["Proof", "Recorded", "write_report"]

REPORTS: Final = Path(__file__).parent.parent / "build" / "reports"

_RECORDED: Final = pytest.StashKey[list["Recorded"]]()


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """One line of a report."""

    name: str
    """Guarantee and what was tried, as in "G9 forged codes"."""

    trials: int
    failures: int
    """Trials in which the promise was broken; 0 is what is promised."""

    faults_fired: Mapping[str, int] = field(default_factory=dict)
    """How often each attack or fault really took place; one that never did proves nothing."""

    mutants_killed: tuple[str, ...] | Mapping[str, int] = ()
    """Planted bugs with which the same test fails, where counted after how many trials."""

    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)


class Proof:
    """Tells a test how often to try, and takes down what it counted."""

    def __init__(self, config: pytest.Config) -> None:
        self.is_campaign = bool(config.getoption("--campaign"))
        self.seed = int(config.getoption("--seed"))
        self.random = random.Random(self.seed)  # noqa: S311 -- repeatable is what it is for
        self._recorded = config.stash[_RECORDED]
        self._started = time.perf_counter()

    def trials(self, *, ci: int, campaign: int) -> int:
        """Return how often to try."""
        return campaign if self.is_campaign else ci

    def record(  # noqa: PLR0913 -- the columns of the table
        self,
        name: str,
        *,
        trials: int,
        failures: int,
        faults_fired: Mapping[str, int] | None = None,
        mutants_killed: tuple[str, ...] | Mapping[str, int] = (),
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        """Take down one line, print it, and demand that the promise held and every fault fired."""
        fired = dict(faults_fired or {})
        line = Recorded(
            name=name,
            trials=trials,
            failures=failures,
            faults_fired=fired,
            mutants_killed=mutants_killed,
            seconds=round(time.perf_counter() - self._started, 3),
            figures=dict(figures or {}),
        )
        self._recorded.append(line)
        print(json.dumps(asdict(line)))  # noqa: T201 -- N is shown
        assert failures == 0, f"{name}: {failures} of {trials}"
        assert all(fired.values()), f"{name}: some faults never fired: {fired}"


@pytest.fixture
def proof(pytestconfig: pytest.Config) -> Proof:
    """Return what a test of a guarantee counts with."""
    return Proof(pytestconfig)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("guarantees")
    group.addoption(
        "--campaign", action="store_true", help="try the guarantees as often as `make attack` does"
    )
    group.addoption("--seed", default="20261122", help="seed of what is tried at random")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RECORDED] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Write the report of this run, if any guarantee was tried.

    A campaign may be run in parts, whose lines replace those of the same name.
    """
    recorded = session.config.stash[_RECORDED]
    if recorded:
        is_campaign = session.config.getoption("--campaign")
        write_report("attack" if is_campaign else "guarantees", recorded, add=is_campaign)
    yield


def write_report(target: str, recorded: Iterable[Recorded], *, add: bool) -> Path:
    """Write the report of a make target; with `add`, lines of other names stay in it."""
    report = REPORTS / f"{target}.json"
    lines = {line.name: asdict(line) for line in recorded}
    if add and report.exists():
        earlier = {line["name"]: line for line in json.loads(report.read_text())}
        lines = {**earlier, **lines}
    REPORTS.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps([lines[name] for name in sorted(lines)], indent=2) + "\n")
    return report
