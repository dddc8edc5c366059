"""Record a mixed shift against a real server, and replay it at x1, x10 and flat out on fresh ones.

Each server is a process of its own with an empty database and a simulated institution. The callers,
recorder and replay are the program `tallymark-load`, as anybody runs it. Writes
build/reports/replay.json: differences, timing error and rates of each replay.

    python -m bench.replay                  # five minutes of shift: 50,000 messages and more
    python -m bench.replay --seconds 20     # a small one
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bench.crowd import FAST_PASSWORDS, WIDE
from tallymark_load.binary_log import LogReader
from tallymark_load.cast import CastFile
from tallymark_load.cast.lines import Lines
from tallymark_load.recorded import calls_of
from tallymark_load.scenarios.rehearsal import add_tickets_for
from tallymark_load.scenarios.scenario import Scenario, load_scenario
from tests.e2e.served import SERVER, Program, institution, server
from tests.proof import REPORTS

PACES: Final = {
    "x1": ("--speed", "1"),
    "x10": ("--speed", "10"),
    "flat out": ("--flat-out",),
}

LOAD: Final = "from tallymark_load.main import main; main()"


def main() -> None:
    """Play, and exit with 1 when a replay differs without explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="shift")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, help="visits a second")
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--paces", nargs="*", default=list(PACES), choices=list(PACES))
    parser.add_argument("--recording", type=Path, help="an earlier one of this scenario")
    parser.add_argument("--keep", type=Path, help="folder to keep recording and results in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report = asyncio.run(_measure(arguments, arguments.keep or Path(name)))
    print(json.dumps(report, indent=2))
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "replay.json").write_text(json.dumps(report, indent=2) + "\n")
    if any(replay["unexplained_differences"] for replay in report["replays"].values()):
        sys.exit(1)


async def _measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    scenario = load_scenario(arguments.scenario, seconds=arguments.seconds, rate=arguments.rate)
    recording = arguments.recording or folder / "shift.binlog"
    if arguments.recording is None:
        await _record(recording, scenario, folder / "recorded", arguments)
    replays = {}
    for name in arguments.paces:
        place = folder / name.replace(" ", "-")
        async with _furnished(place, scenario, arguments) as cast:
            replays[name] = await _replay(recording, cast, place, PACES[name], arguments)
    return {"recording": _described(recording), "replays": replays}


async def _record(
    recording: Path, scenario: Scenario, place: Path, arguments: argparse.Namespace
) -> None:
    await asyncio.to_thread(recording.unlink, missing_ok=True)
    async with _furnished(place, scenario, arguments) as cast:
        await _load(
            *("run", arguments.scenario, "--cast", str(cast), "--record", str(recording)),
            *_scaled(arguments),
            *("--connections", str(arguments.connections)),
        )


async def _replay(
    recording: Path, cast: Path, place: Path, pace: tuple[str, ...], arguments: argparse.Namespace
) -> dict[str, Any]:
    figures = place / "replay.json"
    await _load(
        *("replay", str(recording), "--cast", str(cast), *pace),
        *("--connections", str(arguments.connections), "--json", str(figures)),
        *("--plot", str(place / "replay.svg"), "--hdr", str(place / "replay.hlog")),
    )
    read = json.loads(await asyncio.to_thread(figures.read_text))
    replay: dict[str, Any] = read["replay"]
    return {
        **replay,
        "duration_seconds": read["duration_seconds"],
        "messages_per_second": round(replay["messages_sent"] / read["duration_seconds"], 1),
        "latency_ms": read["latency_ms"],
        "errors": read["errors"],
    }


@asynccontextmanager
async def _furnished(
    folder: Path, scenario: Scenario, arguments: argparse.Namespace
) -> AsyncIterator[Path]:
    """Serve from an empty database, with a cast that has what the scenario needs."""
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await asyncio.to_thread(folder.mkdir, parents=True)
    async with institution(folder) as (_, port):
        program = await server(folder, port, *WIDE, code=f"{FAST_PASSWORDS}\n{SERVER}")
        try:
            await program.says("serving on port")
            ready = json.loads(await asyncio.to_thread((folder / "server.json").read_text))
            cast = folder / "load.cast"
            await _load(
                *("prepare", "--server", f"127.0.0.1:{ready['port']}", "--cast", str(cast)),
                *("--enrolment-code-file", str(folder / "data" / "operator-enrolment-code")),
                *("--customers", str(arguments.customers)),
            )
            await _add_tickets(scenario, cast)
            yield cast
        finally:
            await program.kill()


async def _add_tickets(scenario: Scenario, path: Path) -> None:
    """Add what `run` adds before it records."""
    cast = await asyncio.to_thread(CastFile(path).read)
    async with Lines(cast) as lines:
        await add_tickets_for(scenario, cast, lines)


async def _load(*words: str) -> None:
    """Run `tallymark-load`; a replay that differs ends with 1, and its figures say so."""
    program = await Program.start(LOAD, *words)
    code = await program.process.wait()
    await program.ended()
    if code not in (0, 1):
        message = f"tallymark-load {words[0]} failed:\n{program.output}"
        raise SystemExit(message)
    print(f"--- tallymark-load {' '.join(words[:2])}: {code}", *program.lines[-25:], sep="\n")


def _scaled(arguments: argparse.Namespace) -> tuple[str, ...]:
    given = {"--seconds": arguments.seconds, "--rate": arguments.rate}
    return tuple(
        word for name, value in given.items() if value is not None for word in (name, str(value))
    )


def _described(recording: Path) -> dict[str, Any]:
    with LogReader(recording) as reader:
        calls = list(calls_of(reader))
    first, last = min(c.started_at_ns for c in calls), max(c.ended_at_ns or 0 for c in calls)
    return {
        "calls": len(calls),
        "messages": sum(len(call.sent) + len(call.received) for call in calls),
        "messages_sent": sum(len(call.sent) for call in calls),
        "methods": sorted({call.method for call in calls}),
        "seconds": round((last - first) / 1e9, 1),
        "bytes": recording.stat().st_size,
    }


if __name__ == "__main__":
    main()
