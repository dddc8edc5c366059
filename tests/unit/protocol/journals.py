"""Journals for the tests of the chain, as their server wrote them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tallymark_protocol.checkpoint import Checkpoint
from tallymark_protocol.journal_chain import GENESIS_HASH, ChainedEntry, chain_hash

__all__ = ["chained", "checkpoint_at", "journal_of"]

COMMANDS: Final = ("ResolveCode", "CompleteProcess", "IssueCode", "RegisterCustomer")


def journal_of(size: int, seed: int = 1) -> list[ChainedEntry]:
    """Return a journal of this many entries; the same seed gives the same one."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    entries = [
        ChainedEntry(
            sequence=sequence,
            decided_at=1_790_000_000_000 + 250 * sequence + chance.randrange(250),
            command=chance.choice(COMMANDS),
            caller=f"terminal/till-{chance.randrange(5)}",
            process_id=chance.choice(("", f"{chance.getrandbits(136):034x}")),
            state=chance.randrange(10),
            payload=f'{{"changed":["processes"],"request_id":"{chance.getrandbits(64):x}"}}',
            chain_hash=b"",
        )
        for sequence in range(1, size + 1)
    ]
    return chained(entries)


def chained(
    entries: Sequence[ChainedEntry], before: bytes = GENESIS_HASH, partition: int = 0
) -> list[ChainedEntry]:
    """Return the entries with chain values that are right after `before`."""
    made = []
    for entry in entries:
        before = chain_hash(
            before,
            partition=partition,
            sequence=entry.sequence,
            decided_at=entry.decided_at,
            command=entry.command,
            caller=entry.caller,
            process_id=entry.process_id,
            state=entry.state,
            payload=entry.payload,
        )
        made.append(replace(entry, chain_hash=before))
    return made


def checkpoint_at(entries: Sequence[ChainedEntry], sequence: int) -> Checkpoint:
    """Return the checkpoint of an entry."""
    entry = entries[sequence - 1]
    return Checkpoint(partition=0, sequence=entry.sequence, chain_hash=entry.chain_hash)
