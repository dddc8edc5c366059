"""A small portion of `make chaos`: the same run for some seconds, and one planted bug."""

from pathlib import Path

import pytest

from tests.chaos.planted import codes_until_found
from tests.chaos.report import recorded
from tests.chaos.run import play
from tests.proof import Proof

pytestmark = pytest.mark.guarantee

SECONDS = 8.0
SECONDS_WITH_THE_BUG = 3.0
BUG = "requests are forgotten"
"""The one that is found soonest; `make chaos` has to find the others, too."""


async def test_nothing_is_lost_and_nothing_is_done_twice(proof: Proof, tmp_path: Path) -> None:
    found_after = await codes_until_found(
        BUG, tmp_path, str(proof.seed), seconds=SECONDS_WITH_THE_BUG
    )
    chaos = await play(tmp_path, SECONDS, proof.random)

    line = recorded(chaos, seconds=0, mutants_killed={BUG: found_after})
    print({what: count for what, count in chaos.wrong.items() if count})  # noqa: T201 -- to be read
    assert found_after, "the planted bug was not found"
    proof.record(
        line.name,
        trials=line.trials,
        failures=line.failures,
        faults_fired=line.faults_fired,
        mutants_killed=line.mutants_killed,
        figures=line.figures,
    )
