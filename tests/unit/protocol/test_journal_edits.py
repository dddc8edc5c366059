"""G19: every random change of a journal is found from a checkpoint that was held elsewhere.

The attacker has the whole journal and every key of the server, and may compute the chain anew. The
checkpoint was shown with an answer some time ago, and entries have followed since. Changes of what
it saw must be found; beyond it only those that leave the chain broken can be.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from tallymark_protocol.checkpoint import Checkpoint, ShortCheckpoint
from tallymark_protocol.journal_chain import GENESIS_HASH, ChainedEntry, Fault, check_journal
from tests.proof import Proof
from tests.unit.protocol.journals import chained, checkpoint_at, journal_of

pytestmark = pytest.mark.guarantee

SIZE: Final = 60
SEEN: Final = 45
"""Number of the entry that the checkpoint saw."""

JOURNAL: Final = journal_of(SIZE)
HELD: Final = checkpoint_at(JOURNAL, SEEN)
FIELDS: Final = ("decided_at", "command", "caller", "process_id", "state", "payload", "chain_hash")

Journal = list[ChainedEntry]
Edit = Callable[[Journal, random.Random], tuple[Journal, int]]


def flip(journal: Journal, chance: random.Random) -> tuple[Journal, int]:
    """Change one bit or letter of one field of any entry."""
    place = chance.randrange(SIZE)
    journal[place] = flipped(journal[place], chance)
    return journal, place + 1


def delete(journal: Journal, chance: random.Random) -> tuple[Journal, int]:
    """Take out up to three entries that are not the newest ones."""
    count = chance.randint(1, 3)
    place = chance.randrange(SIZE - count)
    del journal[place : place + count]
    return journal, place + 1


def swap(journal: Journal, chance: random.Random) -> tuple[Journal, int]:
    """Let two entries change places, with their numbers or without."""
    one, other = sorted(chance.sample(range(SIZE), 2))
    first, second = journal[one], journal[other]
    if chance.random() < 0.5:
        first, second = (
            replace(first, sequence=second.sequence),
            replace(second, sequence=first.sequence),
        )
    journal[one], journal[other] = second, first
    return journal, one + 1


def truncate(journal: Journal, chance: random.Random) -> tuple[Journal, int]:
    """Forget the end, from before the checkpoint on."""
    left = chance.randrange(SEEN)
    return journal[:left], left + 1


def rewrite(journal: Journal, chance: random.Random) -> tuple[Journal, int]:
    """Change an entry that the checkpoint saw, or take it out, and compute the rest anew."""
    place = chance.randrange(SEEN)
    before = journal[place - 1].chain_hash if place else GENESIS_HASH
    rest = journal[place:]
    if chance.random() < 0.5:
        rest = [replace(entry, sequence=entry.sequence - 1) for entry in rest[1:]]
    else:
        while chained(rest[:1], before)[0] == journal[place]:
            rest[0] = flipped(rest[0], chance)
    return [*journal[:place], *chained(rest, before)], SEEN


EDITS: Final[dict[Edit, set[Fault]]] = {
    flip: {Fault.EDITED},
    delete: {Fault.MISSING},
    swap: {Fault.EDITED, Fault.OUT_OF_ORDER},
    truncate: {Fault.CUT_OFF},
    rewrite: {Fault.REWRITTEN},
}


@pytest.mark.parametrize("checkpoint", [HELD, HELD.short()], ids=["signed", "short"])
def test_every_change_is_found_from_a_checkpoint_held_elsewhere(
    proof: Proof, checkpoint: Checkpoint | ShortCheckpoint
) -> None:
    tries_of_each = proof.trials(ci=200, campaign=4_000)

    made, found = run_campaign([checkpoint], proof.random, tries_of_each)

    assert made == {edit.__name__: tries_of_each for edit in EDITS}
    proof.record(
        f"G19 changes of the journal, {type(checkpoint).__name__}",
        trials=made.total(),
        failures=(made - found).total(),
        faults_fired=made,
        mutants_killed=("chain without outside checkpoint",),
    )


def test_chain_without_an_outside_checkpoint_misses_every_rewritten_and_forgotten_end(
    proof: Proof,
) -> None:
    made, found = run_campaign([], proof.random, 100)

    assert found["rewrite"] == found["truncate"] == 0
    assert made["rewrite"] == made["truncate"] == 100
    assert all(found[kind] == made[kind] for kind in ("flip", "delete", "swap"))


def run_campaign(
    checkpoints: Sequence[Checkpoint | ShortCheckpoint],
    chance: random.Random,
    tries_of_each: int,
) -> tuple[Counter[str], Counter[str]]:
    """Return how many changes of each kind were made, and how many found where they are."""
    made: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for edit, faults in EDITS.items():
        for _ in range(tries_of_each):
            changed, first_wrong = edit(list(JOURNAL), chance)
            assert changed != JOURNAL, "it changed nothing"
            made[edit.__name__] += 1
            for finding in check_journal(changed, checkpoints)[:1]:
                assert finding.fault in faults
                assert finding.sequence == first_wrong
                found[edit.__name__] += 1
    return made, found


def flipped(entry: ChainedEntry, chance: random.Random) -> ChainedEntry:
    """Return the entry with one bit, digit or letter of one field changed."""
    name = chance.choice(FIELDS)
    value = getattr(entry, name)
    changed: dict[str, Any] = {}
    if isinstance(value, int):
        changed[name] = value ^ 1 << chance.randrange(4)
    elif isinstance(value, bytes):
        bit = chance.randrange(len(value) * 8)
        number = int.from_bytes(value, "big") ^ 1 << bit
        changed[name] = number.to_bytes(len(value), "big")
    else:
        place = chance.randint(0, len(value))
        changed[name] = value[:place] + chance.choice("x|0") + value[place + 1 :] + "y"
    return replace(entry, **changed)
