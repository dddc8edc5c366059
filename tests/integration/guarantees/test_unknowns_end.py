"""G7: an unanswered charge ends charged and recorded, or reversed, and both sides agree.

30 % of the charges misbehave, each with a fault of its own, and the server is started anew between
the phases. 15 minutes later, by the moved clock, nothing is open and nothing differs.
"""

from pathlib import Path

import pytest

from tallymark.v1 import operator_service_pb2 as operators
from tallymark_server.domain.processes import settling
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import errands
from tests.doubles.mutant import Mutant, plant
from tests.doubles.unreliable_institution import Fault
from tests.integration.guarantees.charge_books import charged_twice
from tests.integration.guarantees.charges import DayOfCharges
from tests.proof import Proof

pytestmark = pytest.mark.guarantee

BUGS = {
    "a time-out is a decline": Mutant(
        errands,
        "run_errand",
        "result = authorised.answer.result if authorised.answer else None",
        "result = authorised.answer.result if authorised.answer"
        " else AuthorisationResult(answer=AuthorisationAnswer.NOT_HONOURED)",
    ),
    "nobody looks again after a reversal": Mutant(
        settling, "_released", "if not authorisation.looks_left:", "if said != 'never':"
    ),
    "each try has an id of its own": Mutant(
        errands,
        "_authorise",
        "identifier = authorisation.authorisation_id",
        "identifier = authorisation.authorisation_id + 'x' * authorisation.attempts",
    ),
}

TRIES_OF_A_BUG = 400
"""Charges within which each bug has to show."""

CHARGES_OF_A_DAY = 40


async def test_every_charge_ends_recorded_or_reversed_and_both_sides_agree(
    keyring: Keyring, proof: Proof, tmp_path: Path
) -> None:
    charges = proof.trials(ci=300, campaign=10_000)
    async with DayOfCharges.opened(keyring, tmp_path / "kept.sqlite3", seed=proof.seed) as day:
        await day.play(charges)

        still_open = await day.open_work()
        by_hand = await day.by_hand()
        stuck = await day.reconciled()
        await day.settle_by_hand()
        broken = await day.broken_promises()
        twice = charged_twice(await day.books())
        settled = await day.reconciled()
        faults, fired = day.institution.faults, day.institution.fired
        starts = day.starts

    assert {faults[one.authorisation_id] for one in by_hand} == {Fault.REFUSES_FOR_EVER}
    assert {one.kind for one in by_hand} == {operators.OPEN_QUESTION_KIND_REVERSAL}
    assert {one.tries for one in by_hand} == {6}
    assert (stuck.lasting, stuck.under_way) == (len(by_hand), 0)
    assert (settled.lasting, settled.under_way) == (0, 0)
    assert settled.compared == charges
    assert list(settled.sums_here) == list(settled.sums_there)
    assert list(settled.sums_here)
    proof.record(
        "G7 charges over an institution that misbehaves",
        trials=charges,
        failures=still_open + len(broken) + twice,
        faults_fired={fault: fired[fault] for fault in Fault if fault is not Fault.NONE},
        mutants_killed=tuple(BUGS),
        figures={
            "misbehaving": sum(fault is not Fault.NONE for fault in faults.values()),
            "raised to a person": len(by_hand),
            "server starts": starts,
            "open": still_open,
            "charged twice": twice,
            "differences": settled.lasting,
            "sum at both": sum(money.minor_units for money in settled.sums_there),
            "broken": broken[:10],
        },
    )


@pytest.mark.parametrize("bug", BUGS)
async def test_a_bug_would_be_noticed(
    keyring: Keyring, proof: Proof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    plant(BUGS[bug], monkeypatch)
    broken: list[str] = []
    tried = 0
    while not broken and tried < TRIES_OF_A_BUG:
        database = tmp_path / f"{tried}.sqlite3"
        async with DayOfCharges.opened(keyring, database, seed=proof.seed + tried) as day:
            await day.play(CHARGES_OF_A_DAY)
            tried += CHARGES_OF_A_DAY
            await day.settle_by_hand()
            broken = await day.broken_promises()

    assert broken
    proof.record(
        f"G7 planted bug: {bug}",
        trials=tried,
        failures=0,
        mutants_killed={bug: tried},
        figures={"noticed by": broken[0]},
    )
