"""G3 and G6: what was answered survives a power cut, and every scan is whole or not there."""

from pathlib import Path

import pytest

from tests.crash.cuts import Cuts, cut_everywhere
from tests.crash.recorded import recorded
from tests.crash.servers import Server, started
from tests.crash.stories import ScansAreWhole, buy, open_stalls
from tests.crash.walk import Ground
from tests.proof import Proof

pytestmark = [pytest.mark.guarantee, pytest.mark.asyncio(loop_scope="session")]


async def cuts_of_sales(  # noqa: PLR0913 -- who, how much, and with which bug
    ground: Ground, folder: Path, proof: Proof, *, buyers: int, scans: int, bug: str = ""
) -> Cuts:
    """Let buyers scan, and cut the power at every event of it."""
    async with started(Server(folder)) as site:
        await ground.stage_on(site)
        stalls = await open_stalls(site, buyers, scans)
    async with recorded(folder, bug=bug) as (record, site):
        await site.connect_again(*(actor for stall in stalls for actor in stall[:2]))
        await buy(stalls, record)
    demand = ScansAreWhole(folder)
    cuts = cut_everywhere(
        record.disk, list(record.events()), choice=proof.random, torn_per_event=1, demand=demand
    )
    assert bug or demand.scans == buyers * scans
    return cuts


async def test_whatever_was_answered_survives_a_power_cut_at_every_event(
    ground: Ground, proof: Proof
) -> None:
    with ground.copied() as folder:
        cuts = await cuts_of_sales(ground, folder, proof, buyers=3, scans=2)
    mutants = {}
    for bug in ("syncs_at_checkpoints_only", "answers_before_it_saves"):
        with ground.copied() as folder:
            buggy = await cuts_of_sales(ground, folder, proof, buyers=2, scans=1, bug=bug)
        assert buggy.lost, bug
        mutants[bug.replace("_", " ")] = buggy.first_lost

    assert cuts.broken == []
    proof.record(
        "G3 answers after power cuts",
        trials=cuts.acknowledged,
        failures=cuts.lost,
        faults_fired={"all taken that was not synced": cuts.cuts - cuts.torn, "torn": cuts.torn},
        mutants_killed=mutants,
        figures={"events": cuts.events, "commits": cuts.states - 1, "cuts": cuts.cuts},
    )


async def test_a_scan_that_is_saved_in_pieces_would_be_noticed(
    ground: Ground, proof: Proof
) -> None:
    """The planted bug: every statement commits by itself."""
    with ground.copied() as folder:
        buggy = await cuts_of_sales(
            ground, folder, proof, buyers=1, scans=1, bug="saves_in_two_transactions"
        )

    assert any("bills paid" in text for text in buggy.broken)
