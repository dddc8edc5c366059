"""Checks a whole journal, from a file or from the server, against checkpoints kept elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tallymark_admin.journal_file import PARTITION
from tallymark_protocol.checkpoint import Checkpoint, ShortCheckpoint
from tallymark_protocol.journal_chain import ChainedEntry, check_journal
from tallymark_protocol.journal_messages import NotAnEntry, entry_of

__all__ = ["CheckedJournal", "Problem", "check_file", "check_pages"]

Checkpoints = Collection[Checkpoint | ShortCheckpoint]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong."""

    place: str
    """Where, such as "entry 17"."""
    fault: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedJournal:
    """What came of a check."""

    entries: int
    erased: int
    """Entries whose payload was erased."""
    erased_to: int
    """Number of the last of these; 0 when there is none."""
    end: Checkpoint | None
    """Where the journal ends; None for an empty one."""
    problems: tuple[Problem, ...]


def check_file(path: Path, checkpoints: Checkpoints) -> CheckedJournal:
    """Check an exported journal.

    Raises:
        OSError: the file cannot be read.
        ValueError: a checkpoint of another partition.

    """
    with path.open("rb") as lines:
        return _check(lines, checkpoints)


async def check_pages(
    pages: AsyncIterator[list[bytes]], checkpoints: Checkpoints, *, report: Callable[[int], None]
) -> CheckedJournal:
    """Check a journal that arrives page by page, and report the size of each page.

    The check is one long computation: it runs in a thread of its own, which waits for the pages.

    Raises:
        ValueError: a checkpoint of another partition.

    """
    loop = asyncio.get_running_loop()

    async def next_page() -> list[bytes]:
        return await anext(pages, [])

    def lines() -> Iterator[bytes]:
        while page := asyncio.run_coroutine_threadsafe(next_page(), loop).result():
            yield from page
            report(len(page))

    return await asyncio.to_thread(_check, lines(), checkpoints)


class _Reading:
    """Entries that are read as they are needed; what is none of them is kept as a problem."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self.count = 0
        self.erased = 0
        self.erased_to = 0
        self.last: ChainedEntry | None = None
        self.problems: list[Problem] = []

    def entries(self) -> Iterator[ChainedEntry]:
        for number, line in enumerate(self._lines, start=1):
            try:
                entry = entry_of(line)
            except NotAnEntry:
                problem = Problem(
                    place=f"line {number}",
                    fault="unreadable",
                    text=f"line {number} is no whole entry",
                )
                self.problems.append(problem)
            else:
                self.count += 1
                if entry.payload_hash:
                    self.erased += 1
                    self.erased_to = entry.sequence
                self.last = entry
                yield entry


def _check(lines: Iterable[bytes], checkpoints: Checkpoints) -> CheckedJournal:
    reading = _Reading(lines)
    findings = check_journal(reading.entries(), checkpoints, partition=PARTITION)
    found = [
        Problem(place=f"entry {each.sequence}", fault=each.fault.value, text=each.text)
        for each in findings
    ]
    return CheckedJournal(
        entries=reading.count,
        erased=reading.erased,
        erased_to=reading.erased_to,
        end=_checkpoint_at(reading.last) if reading.last else None,
        problems=(*reading.problems, *found),
    )


def _checkpoint_at(entry: ChainedEntry) -> Checkpoint:
    return Checkpoint(partition=PARTITION, sequence=entry.sequence, chain_hash=entry.chain_hash)
