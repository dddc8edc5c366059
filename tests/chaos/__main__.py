"""`make chaos`: play for long, find every planted bug, and write build/reports/chaos.json.

The history, the data and the institution's journal of the last run stay in build/chaos.

Exit codes: 0 all promises held, 1 one was broken, a fault never fired, or a bug was not found.
"""

import asyncio
import json
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from random import Random

import click

from tests.chaos.planted import PLANTED, codes_until_found
from tests.chaos.proxy import FAULTS
from tests.chaos.report import recorded
from tests.chaos.run import play
from tests.proof import REPORTS, write_report


@click.command()
@click.option("--seconds", type=float, default=300, show_default=True, help="How long to play.")
@click.option("--seed", default="20261122", show_default=True, help="Seed of what is random.")
def main(seconds: float, seed: str) -> None:
    """Play with every planted bug, then with the server as it is."""
    sys.exit(asyncio.run(_main(seconds, seed)))


async def _main(seconds: float, seed: str) -> int:
    began = time.perf_counter()
    killed = {}
    for name in PLANTED:
        killed[name] = await codes_until_found(name, _new_folder("planted"), seed)
        click.echo(f"{name}: found after {killed[name]} codes")
    chaos = await play(_new_folder("played"), seconds, Random(seed))  # noqa: S311 -- repeatable
    line = recorded(chaos, seconds=time.perf_counter() - began, mutants_killed=killed)
    click.echo(json.dumps(asdict(line), indent=2))
    click.echo(write_report("chaos", [line], add=False))
    has_fired = all(line.faults_fired.get(f"line: {name}") for name in FAULTS)
    return 0 if line.failures == 0 and has_fired and all(killed.values()) else 1


def _new_folder(name: str) -> Path:
    folder = REPORTS.parent / "chaos" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
