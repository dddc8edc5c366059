"""The chain of a server's journal: how each entry is tied to all before it, and if it still is.

Entries of a partition are numbered from 1 without gaps. The chain value of an entry is

    SHA-256 of deterministic CBOR of
        ["tallymark journal", 1, chain value before it, partition, sequence, time in milliseconds
         since 1970, command, caller, process id, state, SHA-256 of the payload]

and 32 zero bytes stand before the first. Because only the payload's hash is in the chain, a payload
can be erased and the rest still be checked by whoever keeps that hash.

A chain alone proves little: whoever can write the journal can also compute it anew from any entry
on, or forget its end. So checkpoints (checkpoint.py) are kept elsewhere, and a journal is believed
as far as the last one of them that it fits.

docs/signatures.md specifies this for other languages.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tallymark_protocol import strict_cbor
from tallymark_protocol.checkpoint import CHAIN_HASH_BYTES, Checkpoint, ShortCheckpoint

__all__ = [
    "GENESIS_HASH",
    "ChainedEntry",
    "Fault",
    "Finding",
    "chain_hash",
    "check_journal",
]

GENESIS_HASH: Final = bytes(CHAIN_HASH_BYTES)
"""What stands before the first entry."""

_CONTEXT: Final = "tallymark journal"
_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainedEntry:
    """An entry as it stands in the journal."""

    sequence: int
    decided_at: int
    command: str
    caller: str
    process_id: str
    state: int
    payload: str
    chain_hash: bytes
    payload_hash: bytes = b""
    """SHA-256 of a payload that was erased; empty as long as it is there."""


class Fault(StrEnum):
    """What is wrong with a journal."""

    EDITED = "edited"
    """The entry is not the one that its chain value was made of."""

    MISSING = "missing"
    """The entry is not there, but one after it is."""

    OUT_OF_ORDER = "out of order"
    """The entry stands in another place, or once more."""

    REWRITTEN = "rewritten"
    """The entry is not the one that a checkpoint saw, although its link may be right."""

    CUT_OFF = "cut off"
    """The journal ends before the entry, but a checkpoint saw it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong, and the first entry that is known to be wrong with it."""

    sequence: int
    fault: Fault
    text: str
    """A sentence for people."""


def chain_hash(  # noqa: PLR0913 - one argument per fact, all by keyword
    before: bytes,
    *,
    partition: int,
    sequence: int,
    decided_at: int,
    command: str,
    caller: str,
    process_id: str,
    state: int,
    payload: str,
    payload_hash: bytes = b"",
) -> bytes:
    """Return the chain value of an entry: 32 bytes that no other entry or history has.

    Of a payload that was erased, which is empty, the hash stands for it. No entry has both.
    """
    if payload or not payload_hash:
        payload_hash += hashlib.sha256(payload.encode()).digest()
    link = strict_cbor.encode(
        [
            _CONTEXT,
            _VERSION,
            before,
            partition,
            sequence,
            decided_at,
            command,
            caller,
            process_id,
            state,
            payload_hash,
        ]
    )
    return hashlib.sha256(link).digest()


def check_journal(
    entries: Iterable[ChainedEntry],
    checkpoints: Collection[Checkpoint | ShortCheckpoint],
    *,
    partition: int = 0,
) -> list[Finding]:
    """Return what is wrong with the whole journal of a partition, the first wrong entry first.

    An empty list says: numbered without gaps from 1, every link as it must be, and every checkpoint
    met. Nothing is said about the entries after the last checkpoint but that they fit together, and
    without checkpoints nothing at all about who wrote them. The entries are read once, in the order
    of the journal, and not kept.

    Raises:
        ValueError: a checkpoint of another partition.

    """
    if any(checkpoint.partition != partition for checkpoint in checkpoints):
        message = f"a checkpoint is of another partition than {partition}"
        raise ValueError(message)
    walk = _Walk(partition, {checkpoint.sequence for checkpoint in checkpoints})
    for entry in entries:
        walk.take(entry)
    findings = [*walk.findings, *walk.missing(), *_held_against(walk, checkpoints)]
    return sorted(findings, key=lambda finding: finding.sequence)


class _Walk:
    """The way through a journal, entry by entry."""

    def __init__(self, partition: int, wanted: set[int]) -> None:
        """Start before the first entry, to keep the chain values of the wanted ones."""
        self.findings: list[Finding] = []
        self.seen = {0: GENESIS_HASH}
        self.next = 1
        self._before = GENESIS_HASH
        self._partition = partition
        self._wanted = wanted
        self._gaps: list[tuple[int, int]] = []
        self._late: set[int] = set()

    def take(self, entry: ChainedEntry) -> None:
        """Look at the number and the link of the next entry."""
        number = entry.sequence
        if number in self._wanted:
            self.seen.setdefault(number, entry.chain_hash)
        if number < self.next:
            self._late.add(number)
            text = f"entry {number} stands where entry {self.next} belongs"
            self._tell(number, Fault.OUT_OF_ORDER, text)
            return
        if number > self.next:
            self._gaps.append((self.next, number - 1))
        elif self._chain_hash(entry) != entry.chain_hash:
            self._tell(number, Fault.EDITED, f"entry {number} or its chain value was changed")
        self.next, self._before = number + 1, entry.chain_hash

    def missing(self) -> Iterator[Finding]:
        """Tell the gaps that no later entry filled."""
        for first, last in self._gaps:
            for number in range(first, last + 1):
                if number not in self._late:
                    text = f"entry {number} is missing; the next one is {last + 1}"
                    yield Finding(sequence=number, fault=Fault.MISSING, text=text)
                    break

    def _chain_hash(self, entry: ChainedEntry) -> bytes:
        return chain_hash(
            self._before,
            partition=self._partition,
            sequence=entry.sequence,
            decided_at=entry.decided_at,
            command=entry.command,
            caller=entry.caller,
            process_id=entry.process_id,
            state=entry.state,
            payload=entry.payload,
            payload_hash=entry.payload_hash,
        )

    def _tell(self, sequence: int, fault: Fault, text: str) -> None:
        self.findings.append(Finding(sequence=sequence, fault=fault, text=text))


def _held_against(
    walk: _Walk, checkpoints: Collection[Checkpoint | ShortCheckpoint]
) -> Iterator[Finding]:
    """Tell the checkpoints that the journal does not meet; a missing entry was told before."""
    vouched = 0
    for checkpoint in sorted(checkpoints, key=lambda each: each.sequence):
        number = checkpoint.sequence
        if number >= walk.next:
            text = f"the journal ends with entry {walk.next - 1}, but a checkpoint saw {number}"
            yield Finding(sequence=walk.next, fault=Fault.CUT_OFF, text=text)
        elif number in walk.seen and checkpoint.fits(walk.seen[number]):
            vouched = number
        elif number in walk.seen:
            text = f"entry {number} is not what a checkpoint saw, nor may those after {vouched} be"
            yield Finding(sequence=number, fault=Fault.REWRITTEN, text=text)
