"""The campaign of `make fuzz`: every parser and every RPC, a process each, one for each core.

    python -m tests.fuzz.campaign --seconds S --runs N --requests N [--only NAME ...] [--keep]

A third of the seconds goes to guided inputs, which find the ways into a parser, the rest to volume
from what they found. What was reached with each stands in build/fuzz/lines, the sums in
build/reports/fuzz.json, under the names that the same tests have in CI. `--keep` takes short inputs
that reach something new into the kept corpus.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Final

from tests.fuzz.corpus_files import keep_inputs, kept_inputs
from tests.fuzz.parsers import PARSERS
from tests.fuzz.scratch import in_memory
from tests.proof import Recorded, write_report
from tests.world.contract import RPCS

ROOT: Final = Path(__file__).parents[2]
WORK: Final = ROOT / "build" / "fuzz"
LINES: Final = WORK / "lines"
PACKAGES: Final = WORK / "packages"
"""Where `make fuzz` puts atheris, apart from what the programs run with."""

GUIDED_SHARE: Final = 1 / 3
SPARE_SECONDS: Final = 120
KEPT_MAX: Final = 16
KEPT_BYTES_MAX: Final = 256

_NAMES: Final = [*PARSERS, *(rpc.path for rpc in RPCS)]
_WRITING: Final = Lock()


class _DidNotBegin(Exception):
    """A process ended before its first input; the message names its log."""


def main() -> int:
    """Run the campaign; the exit code is 1 if a promise was broken."""
    options = _options()
    WORK.mkdir(parents=True, exist_ok=True)
    names = options.only or _NAMES
    with ThreadPoolExecutor(options.processes) as pool:
        lines = list(pool.map(lambda name: _attack(name, options), names))
    if options.keep:
        for name in PARSERS.keys() & names:
            _keep(name)
    return 1 if any(line.failures for line in lines) else 0


def _attack(name: str, options: argparse.Namespace) -> Recorded:
    """Attack one parser or RPC, and write down what came of it."""
    try:
        line = _fuzz(name, options) if name in PARSERS else _besiege(name, options)
    except (_DidNotBegin, subprocess.TimeoutExpired) as error:
        figures = {"first_failure": str(error), "peak_rss_mebibytes": 0}
        line = Recorded(name=name, trials=0, failures=1, figures=figures)
    with _WRITING:
        LINES.mkdir(parents=True, exist_ok=True)
        _line_file(name).write_text(json.dumps(asdict(line), indent=2))
        sums = (_sum("G20 parsers", PARSERS), _sum("G20 requests", [rpc.path for rpc in RPCS]))
        write_report("fuzz", [each for each in sums if each.trials], add=False)
    print(f"{line.name}: {line.trials} in {line.seconds} s, {line.figures}", flush=True)  # noqa: T201
    return line


def _sum(name: str, parts: Iterable[str]) -> Recorded:
    """Return one line for all parsers, or all RPCs, that were attacked so far."""
    files = [file for part in parts if (file := _line_file(part)).exists()]
    lines = [json.loads(file.read_text()) for file in files]
    each = {line["name"]: line["trials"] for line in lines}
    ends: Counter[str] = Counter()
    for line in lines:
        ends.update(line["faults_fired"])
    figures = {
        "each": each,
        "fewest": min(each.values(), default=0),
        "peak_rss_mebibytes": max(
            (line["figures"]["peak_rss_mebibytes"] for line in lines), default=0
        ),
    }
    return Recorded(
        name=name,
        trials=sum(each.values()),
        failures=sum(line["failures"] for line in lines),
        faults_fired=dict(ends),
        seconds=round(sum(line["seconds"] for line in lines), 1),
        figures=figures,
    )


def _line_file(name: str) -> Path:
    return LINES / f"{name.replace('/', '-')}.json"


def _fuzz(name: str, options: argparse.Namespace) -> Recorded:
    """Run both phases of one parser."""
    begun = time.monotonic()
    guided_seconds = max(1, round(options.seconds * GUIDED_SHARE))
    guided = _run(name, runs=options.runs, seconds=guided_seconds)
    phases = [guided]
    if guided["way"] == "guided" and not guided["failure"]:
        left_runs = max(1, options.runs - guided["inputs"])
        left_seconds = max(1, options.seconds - guided_seconds)
        phases.append(_run(name, "--volume", runs=left_runs, seconds=left_seconds))
    return _line(name, phases, seconds=time.monotonic() - begun)


def _run(name: str, *more: str, runs: int, seconds: int) -> dict[str, Any]:
    corpus = ("--corpus", str(WORK / "corpus" / name))
    return _told_by("guided", name, *more, *corpus, "--runs", str(runs), seconds=seconds)


def _besiege(path: str, options: argparse.Namespace) -> Recorded:
    """Send one RPC its requests."""
    requests = ("--requests", str(options.requests))
    told = _told_by("besieged_rpc", path, *requests, seconds=options.seconds)
    faults = told.pop("faults")
    return Recorded(
        name=path,
        trials=told["requests"],
        failures=len(faults),
        faults_fired=told.pop("ends"),
        seconds=told["seconds"],
        figures=told | ({"first_failure": faults[0]} if faults else {}),
    )


def _told_by(module: str, name: str, *arguments: str, seconds: int) -> dict[str, Any]:
    """Run a module of this folder in a process of its own; return what it wrote down."""
    place = WORK / name.replace("/", "-")
    results = place.with_suffix(".json")
    results.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"tests.fuzz.{module}", name, *arguments]
    command += ["--seconds", str(seconds), "--results", str(results)]
    with (
        place.with_suffix(".log").open("wb") as log,
        # libFuzzer ends a process without its last words, so what it made is removed here.
        tempfile.TemporaryDirectory(prefix="tallymark-fuzz-", dir=in_memory()) as scratch,
    ):
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(PACKAGES), "TMPDIR": scratch},
            stdout=log,
            stderr=log,
            timeout=seconds + SPARE_SECONDS,
            check=False,
        )
    if not results.exists():
        raise _DidNotBegin(log.name)
    told: dict[str, Any] = json.loads(results.read_text())
    if ended.returncode and not (told.get("failure") or told.get("faults")):
        told["failure"] = f"ended with {ended.returncode}; see {log.name}"
    return told


def _line(name: str, phases: list[dict[str, Any]], *, seconds: float) -> Recorded:
    failures = [phase["failure"] for phase in phases if phase["failure"]]
    inputs = {phase["way"]: phase["inputs"] for phase in phases}
    figures = {
        "inputs": inputs,
        "weighed": sum(phase["weighed"] for phase in phases),
        "slowest_milliseconds": round(max(phase["slowest_milliseconds"] for phase in phases), 1),
        "most_kibibytes": round(max(phase["most_kibibytes"] for phase in phases), 1),
        "peak_rss_mebibytes": max(phase["peak_rss_mebibytes"] for phase in phases),
        "inputs_per_second": round(sum(inputs.values()) / seconds),
    }
    if failures:
        figures["first_failure"] = failures[0]
    return Recorded(
        name=name,
        trials=sum(inputs.values()),
        failures=len(failures),
        faults_fired={"accepted": sum(phase["accepted"] for phase in phases)},
        seconds=round(seconds, 1),
        figures=figures,
    )


def _keep(name: str) -> None:
    """Take short inputs of the guided corpus into the kept one."""
    found = [file.read_bytes() for file in (WORK / "corpus" / name).iterdir()]
    short = sorted((data for data in found if len(data) <= KEPT_BYTES_MAX), key=len)
    step = max(1, len(short) // KEPT_MAX)
    keep_inputs(name, [*kept_inputs(name), *short[::step]])


def _options() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--seconds", type=int, default=60, help="for each parser")
    reader.add_argument("--runs", type=int, default=10_000_000, help="for each parser, at most")
    reader.add_argument("--requests", type=int, default=100_000, help="for each RPC, at most")
    reader.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    reader.add_argument("--only", nargs="*", choices=_NAMES, metavar="NAME")
    reader.add_argument("--keep", action="store_true")
    return reader.parse_args()


if __name__ == "__main__":
    sys.exit(main())
