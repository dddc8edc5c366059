"""G6: a scan that pays a bill, uses a ticket, spends and earns points does all of it, or nothing.

Each statement of SQLite, each await of the lane and of the handlers fails in turn, once and for
ever, and callers hang up after each millisecond. Then the server is started again, and looked at.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.state import Key, Row
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.integration.guarantees.whole_or_nothing import (
    DONE,
    HELD,
    NOTHING,
    Fault,
    Place,
    Prepared,
)
from tests.proof import Proof

pytestmark = pytest.mark.guarantee

PATIENCE_MILLISECONDS = 30
"""A caller that waits for longer than this hears the answer."""

save = SqliteStore.save


async def save_in_two(
    store: SqliteStore,
    changes: Mapping[Key[Any], Row | None],
    entries: Sequence[JournalEntry],
    new: Collection[Key[Any]],
) -> None:
    """Save bills and tickets, then the rest: the planted bug."""
    first = {key: row for key, row in changes.items() if key.table.table in {"bills", "tickets"}}
    await save(store, first, [])
    rest = {key: row for key, row in changes.items() if key not in first}
    await save(store, rest, entries, new)


async def all_faults(prepared: Prepared) -> list[Fault]:
    """Return a fault for every place that a whole scan passes, once and for ever."""
    faults = [Fault(Place.DEADLINE, number) for number in range(1, PATIENCE_MILLISECONDS + 1)]
    for place in (Place.STATEMENT, Place.LANE, Place.HANDLER):
        counted = Fault(place)
        assert await prepared.stand_after(f"counted-{place.name}", counted) == (DONE, DONE)
        faults += [
            Fault(place, number, is_for_ever)
            for number, is_for_ever in product(range(1, counted.passed + 1), (False, True))
        ]
    return faults


async def test_a_scan_is_done_wholly_or_not_at_all_wherever_it_fails(
    tmp_path: Path, keyring: Keyring, proof: Proof
) -> None:
    prepared = Prepared(tmp_path, keyring)
    await prepared.set_up()
    faults = await all_faults(prepared)
    trials = proof.trials(ci=30, campaign=len(faults))
    partial = []
    stood: Counter[str] = Counter()
    struck: Counter[str] = Counter()

    for number, fault in enumerate(proof.random.sample(faults, trials)):
        broken, repeated = await prepared.stand_after(str(number), fault)
        if broken not in {NOTHING, HELD, DONE} or repeated != DONE:
            partial.append((fault, broken, repeated))
        stood["nothing" if broken == NOTHING else "held" if broken == HELD else "done"] += 1
        struck[fault.place.value] += bool(fault.struck or fault.place is Place.DEADLINE)

    print(partial)  # noqa: T201 -- what broke
    proof.record(
        "G6 a scan that fails at every place in turn",
        trials=trials,
        failures=len(partial),
        faults_fired=struck,
        mutants_killed={"two transactions instead of one": await _first_found(prepared)},
        figures={"places": len(faults), "stood afterwards": dict(stood)},
    )


async def _first_found(prepared: Prepared) -> int:
    """Return after how many tries the planted bug is found, failing one statement after another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteStore, "save", save_in_two)
        for number in range(1, 60):
            broken, _ = await prepared.stand_after(
                f"planted-{number}", Fault(Place.STATEMENT, number)
            )
            if broken not in {NOTHING, HELD, DONE}:
                return number
    message = "two transactions instead of one were not noticed"
    raise AssertionError(message)
