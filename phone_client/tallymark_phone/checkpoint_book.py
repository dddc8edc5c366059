"""What a phone remembers of the server's journal, so that nobody can change the past unnoticed.

Every answer carries a short checkpoint: how many entries the journal had, and the chain value up to
there (tallymark_protocol/checkpoint.py). The last one of each day is kept. Whoever is given the
journal later can be held to all of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tallymark_phone.private_files import read_json, write_private_file
from tallymark_protocol.checkpoint import NotACheckpoint, ShortCheckpoint, parse_checkpoint

__all__ = ["CheckpointBook", "CheckpointsDamaged", "SeenCheckpoint", "contradictions"]

ENTRIES_MAX: Final = 400
"""Entries that are kept, the newest: one for each day of a year, and some to spare."""


class CheckpointsDamaged(Exception):
    """The file cannot be understood. The message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenCheckpoint:
    """A checkpoint and when this phone saw it, by the phone's own clock."""

    checkpoint: ShortCheckpoint
    seen_at: datetime

    def is_followed_by(self, later: "SeenCheckpoint") -> bool:
        """Say whether `later` tells more of the same journal on the same day."""
        return (
            self.seen_at.date() == later.seen_at.date()
            and self.checkpoint.partition == later.checkpoint.partition
            and self.checkpoint.sequence < later.checkpoint.sequence
        )

    def contradicts(self, earlier: "SeenCheckpoint") -> bool:
        """Say whether no journal that only grows can have shown both, `earlier` first."""
        if self.checkpoint.partition != earlier.checkpoint.partition:
            return False
        if self.checkpoint.sequence == earlier.checkpoint.sequence:
            return self.checkpoint != earlier.checkpoint
        return (
            self.checkpoint.sequence < earlier.checkpoint.sequence
            and self.seen_at.date() > earlier.seen_at.date()
        )


class CheckpointBook:
    """The file with the checkpoints that were seen, oldest first."""

    def __init__(self, path: Path) -> None:
        """Take the file, which need not exist yet; its folder must."""
        self._path = path

    def note(self, text: str, *, seen_at: datetime) -> None:
        """Keep a checkpoint as an answer carried it, if it tells something new.

        What is no checkpoint is passed over. Answers may come out of order, so one that tells less
        than another of the same day is passed over too.

        Raises:
            CheckpointsDamaged: the file cannot be understood.

        """
        try:
            seen = SeenCheckpoint(checkpoint=parse_checkpoint(text), seen_at=seen_at)
        except NotACheckpoint:
            return
        entries = self.entries()
        more = _added(entries, seen)
        if more != entries:
            self._write(more[-ENTRIES_MAX:])

    def entries(self) -> list[SeenCheckpoint]:
        """Return what is kept, oldest first; raises CheckpointsDamaged."""
        try:
            content = read_json(self._path)
            if isinstance(content, list):
                return [_from_json(entry) for entry in content]
        except FileNotFoundError:
            return []
        except (KeyError, TypeError, ValueError):
            pass
        message = f"{self._path} is damaged. Keep it aside, and remove it."
        raise CheckpointsDamaged(message)

    def forget(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def _write(self, entries: list[SeenCheckpoint]) -> None:
        content = [
            {"seen_at": entry.seen_at.isoformat(), "checkpoint": str(entry.checkpoint)}
            for entry in entries
        ]
        write_private_file(self._path, json.dumps(content, indent=1).encode())


def contradictions(
    entries: list[SeenCheckpoint],
) -> Iterator[tuple[SeenCheckpoint, SeenCheckpoint]]:
    """Yield each checkpoint that cannot be true together with the one of its journal before it."""
    newest: dict[int, SeenCheckpoint] = {}
    for entry in entries:
        before = newest.get(entry.checkpoint.partition)
        if before and entry.contradicts(before):
            yield before, entry
        newest[entry.checkpoint.partition] = entry


def _added(entries: list[SeenCheckpoint], seen: SeenCheckpoint) -> list[SeenCheckpoint]:
    """Return the entries with one more, unless it tells nothing new."""
    if not entries:
        return [seen]
    *earlier, last = entries
    if last.is_followed_by(seen):
        # What shows that the server told two stories stays.
        is_evidence = bool(earlier) and last.contradicts(earlier[-1])
        return [*entries, seen] if is_evidence else [*earlier, seen]
    is_known = any(entry.checkpoint == seen.checkpoint for entry in entries)
    if is_known or seen.is_followed_by(last):
        return entries
    return [*entries, seen]


def _from_json(entry: dict[str, str]) -> SeenCheckpoint:
    return SeenCheckpoint(
        checkpoint=parse_checkpoint(entry["checkpoint"]),
        seen_at=datetime.fromisoformat(entry["seen_at"]),
    )
