"""Hears the checkpoints of the server's journal, keeps some, and speaks up when they disagree.

A terminal is a witness: whoever changes the server's journal later would have to change what its
terminals have written down, too. So this is said loudly, and sales go on:

    another audit key     than the first that signed a checkpoint here
    a false signature     of a signed checkpoint
    two histories         the same entry number with two chain values
    a shorter journal     than the server itself showed before
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tallymark_protocol.checkpoint import NotACheckpoint, ShortCheckpoint, parse_checkpoint
from tallymark_protocol.witness import NewestWitness
from tallymark_terminal.checkpoint_records import (
    CheckpointRecords,
    KeptCheckpoint,
    SignedCheckpoint,
)
from tallymark_terminal.server_clock import ServerClock

__all__ = ["SIGNED_EVERY_MILLISECONDS", "CheckpointBook"]

SIGNED_EVERY_MILLISECONDS: Final = 3_600_000
"""Between two signed checkpoints that are kept, by the times that they were signed."""

OVERTAKING_SECONDS: Final = 10.0
"""Longer than any call: an answer that comes so much later is no older than another one."""

_SHOW_THE_OPERATOR: Final = (
    "Tell the operator, and have the journal verified: tallymark-terminal checkpoints."
)
_OTHER_KEY: Final = (
    f"WARNING: the server's audit key is not the one of before. {_SHOW_THE_OPERATOR}"
)
_FALSE_SIGNATURE: Final = (
    f"WARNING: the server's signature on its journal is false. {_SHOW_THE_OPERATOR}"
)
_TWO_HISTORIES: Final = (
    f"WARNING: the server has shown two different journals. {_SHOW_THE_OPERATOR}"
)
_SHORTER: Final = (
    "WARNING: the server's journal is shorter than it was: a backup was restored, or entries were "
    f"removed. {_SHOW_THE_OPERATOR}"
)
_NOT_KEPT: Final = "The server's checkpoints cannot be written down; sales go on without."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Heard:
    checkpoint: ShortCheckpoint
    steady_seconds: float


class CheckpointBook:
    """Keeps what one run of the terminal hears."""

    def __init__(
        self,
        *,
        records: CheckpointRecords,
        clock: ServerClock,
        witness: NewestWitness,
        warn: Callable[[str], None],
    ) -> None:
        """Take where to keep them, the server's time, the newest witness, what shows a warning."""
        self._witness = witness
        self._kept_witness = witness.text
        self._records = records
        self._clock = clock
        self._warn = warn
        self._heard: dict[int, _Heard] = {}
        """By partition, the longest journal that was heard of since the last `save`."""
        self._said: set[str] = set()

    def hear(self, text: str) -> None:
        """Take the short checkpoint that came with an answer; `save` writes it down."""
        try:
            checkpoint = parse_checkpoint(text)
        except NotACheckpoint:
            # A newer server may have another form, which proves nothing to this version.
            return
        before = self._heard.get(checkpoint.partition)
        if before is not None and _contradict(before.checkpoint, checkpoint):
            self._say(_TWO_HISTORIES)
        if before is None or checkpoint.sequence >= before.checkpoint.sequence:
            self._heard[checkpoint.partition] = _Heard(
                checkpoint=checkpoint, steady_seconds=self._clock.steady()
            )

    async def save(self) -> None:
        """Write down what was heard, once the server's time is known."""
        if not self._clock.is_set:
            return
        if self._witness.text != self._kept_witness:
            self._kept_witness = self._witness.text
            with self._going_on():
                await self._records.keep_witness(self._kept_witness)
        heard, self._heard = self._heard, {}
        with self._going_on():
            for one in heard.values():
                kept = KeptCheckpoint(
                    checkpoint=one.checkpoint, heard_at=self._clock.at_seconds(one.steady_seconds)
                )
                before = await self._records.newest_of(one.checkpoint.partition)
                if before is not None:
                    self._compare(before, kept)
                await self._records.keep(kept)

    async def hear_signed(self, signed: SignedCheckpoint) -> None:
        """Take a signed checkpoint, and keep it if the last one is old enough."""
        if not signed.is_genuine():
            self._say(_FALSE_SIGNATURE)
            return
        self.hear(str(signed.checkpoint))
        with self._going_on():
            first = await self._records.first_signed()
            if first is not None and first.audit_key != signed.audit_key:
                self._say(_OTHER_KEY)
            last = await self._records.last_signed(signed.partition, signed.audit_key)
            if last is None or _is_to_keep(signed, last):
                await self._records.keep_signed(signed)

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        """Let no trouble with the file keep the till from selling; the sale's own row still may."""
        try:
            yield
        except sqlite3.Error:
            self._say(_NOT_KEPT)

    def _compare(self, before: KeptCheckpoint, now: KeptCheckpoint) -> None:
        if _contradict(before.checkpoint, now.checkpoint):
            self._say(_TWO_HISTORIES)
        is_later = now.heard_at > before.heard_at + OVERTAKING_SECONDS
        if is_later and now.checkpoint.sequence < before.checkpoint.sequence:
            self._say(_SHORTER)

    def _say(self, warning: str) -> None:
        """Warn once in each run."""
        if warning not in self._said:
            self._said.add(warning)
            self._warn(warning)


def _contradict(one: ShortCheckpoint, other: ShortCheckpoint) -> bool:
    return one.sequence == other.sequence and one.hash_start != other.hash_start


def _is_to_keep(signed: SignedCheckpoint, last: SignedCheckpoint) -> bool:
    """Say whether it is time for another one, or the two together prove a second history."""
    if _contradict(signed.checkpoint.short(), last.checkpoint.short()):
        return True
    return signed.signed_at - last.signed_at >= SIGNED_EVERY_MILLISECONDS
