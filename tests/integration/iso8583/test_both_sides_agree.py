"""G7 over ISO 8583: whatever the host does, gateway and host end with the same list.

Of the charges three in ten meet a fault: answers that are lost, late, given twice or contradicted,
lines that are cut, reversals that cross their approval, are put off or refused. The gateway is
ended and started again in between. After minutes of the gateway's clock nothing may be open, and
each charge has to stand in both lists alike.
"""

import asyncio
import random
from pathlib import Path
from typing import Final

import pytest

from tallymark_institution.iso8583.gateway import rules
from tallymark_institution.iso8583.host.faults import Quirk
from tallymark_institution.iso8583.host.server import CardHost
from tests.doubles.mutant import Mutant, plant
from tests.integration.iso8583.charges import plan_charges, play
from tests.proof import Proof

pytestmark = pytest.mark.guarantee

LATE_SECONDS: Final = 0.15
"""Longer than a call waits here."""

LIVES: Final = 4

TRIALS_OF_MUTANTS: Final = 120
"""All with faults: five times each."""

MUTANTS: Final = {
    "no answer taken for a decline": Mutant(
        rules,
        "give_up",
        "return _reversed(known, ErrandKind.REVERSAL_ADVICE, now=now, new=new_trace)",
        "return replace(known, verdict=_REVERSED_BEFORE)",
    ),
    "late approval ignored": Mutant(rules, "answer", "if is_told or", "if True or"),
    "second reversal under the old numbers": Mutant(
        rules,
        "_reversed",
        "trace=new(known.trace.reference)",
        "trace=known.reversal.trace if known.reversal else new(known.trace.reference)",
    ),
    "no second try": Mutant(rules, "send_next", "due_at=now + wait_seconds", "due_at=now * 2"),
    "any answer acknowledges": Mutant(
        rules, "acknowledge", "if said.code in accepted", "if said.code"
    ),
    "amount of the approval not compared": Mutant(
        rules, "_verdict", "is_whole = said.minor_units == asked.minor_units", "is_whole = True"
    ),
}


async def test_gateway_and_host_agree_in_the_end(
    tmp_path: Path, proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = proof.trials(ci=1_000, campaign=10_000)
    killed = {}
    for bug, mutant in MUTANTS.items():
        with monkeypatch.context() as patch:
            plant(mutant, patch)
            killed[bug] = await _charges_until_found(tmp_path / bug)
    host = CardHost(late_seconds=LATE_SECONDS)

    different = await play(tmp_path, list(plan_charges(trials, proof.random)), host, lives=LIVES)

    questions = [message.field(37) for message in host.heard if message.kind == "0100"]
    assert len(questions) == len(set(questions)), "a charge was asked for twice"
    fired = {quirk.value: host.fired[quirk] for quirk in Quirk if quirk is not Quirk.NONE}
    proof.record(
        "G7 charges over ISO 8583",
        trials=trials,
        failures=len(different),
        faults_fired=fired,
        mutants_killed=killed,
        figures={"lives of the gateway": LIVES + 1, "messages": len(host.heard)},
    )


async def _charges_until_found(folder: Path) -> int:
    """Return how many charges it takes until the lists of a gateway with a bug differ."""
    await asyncio.to_thread(folder.mkdir)
    chance = random.Random(7)  # noqa: S311 -- repeatable
    charges = list(plan_charges(TRIALS_OF_MUTANTS, chance, faulty_share=1))
    different = await play(folder, charges, CardHost(late_seconds=LATE_SECONDS), lives=1)
    assert different, f"{folder.name} would not be noticed"
    names = [charge.authorisation_id for charge in charges]
    return min(names.index(each) + 1 if each in names else len(names) for each in different)
