"""What clients carry from call to call, by which a server finds out that its data went back.

A client shows the newest witness that it was given (tallymark_protocol/witness.py). The server
believes its own MAC, not the client: a stranger or a lying terminal has no witness but those that
were given out, and these are true. So one that contradicts the journal proves that the database is
older than what was answered, or that there are two of them:

    an entry that the journal does not have, or has otherwise
    an epoch that is yet to come: the folder of keys went back, too

One of an earlier epoch is from before a restore that is known, and proves nothing.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tallymark_protocol.witness import NotAWitness, Witness, make_witness, read_witness
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import Shown
from tallymark_server.lanes.lane import Lane
from tallymark_server.storage.store import Store

__all__ = ["Witnesses"]

KNOWN_MAX: Final = 20_000
"""Witnesses that are known to be true: those of the last so many answers, and what clients showed.

Whoever shows one of them is let through by one look; another one is looked up in the journal.
"""

_log = logging.getLogger(__name__)


class Witnesses:
    """Gives them out, and judges what comes back."""

    def __init__(
        self,
        *,
        lane: Lane,
        store: Store,
        keyring: Keyring,
        keep: Callable[[Shown], None],
        stopped: asyncio.Event,
    ) -> None:
        """Take the parts, what keeps a contradiction for the next start, and what stops serving."""
        self._lane = lane
        self._store = store
        self._keyring = keyring
        self._keep = keep
        self._stopped = stopped
        self._known: OrderedDict[str, None] = OrderedDict()
        self._told = ("", "")
        self.shown: Shown | None = None
        """What a client has shown that the journal does not have; from then on nobody is served."""

    def tell(self, checkpoint: str) -> str:
        """Return the witness of the newest checkpoint in short; it is made once for each."""
        if self._told[0] == checkpoint:
            return self._told[1]
        text = make_witness(self._keyring.epoch, checkpoint, self._keyring.witness_key)
        self._told = checkpoint, text
        self._remember(text)
        return text

    async def hear(self, text: str) -> None:
        """Judge what a client shows; after a contradiction `shown` is set, and the server stops."""
        if text in self._known:
            return
        try:
            witness = read_witness(text)
        except NotAWitness:
            return
        if not witness.is_genuine(self._keyring.witness_key):
            return
        if await self._is_true(witness):
            self._remember(text)
            return
        self.shown = Shown(epoch=witness.epoch, sequence=witness.checkpoint.sequence)
        _log.critical(
            "A client shows entry %d of the journal, in epoch %d, and this database does not have"
            " it: it was restored, or copied. Nobody is served any more. Start the server again,"
            " and see docs/restore.md",
            self.shown.sequence,
            self.shown.epoch,
        )
        self._stopped.set()
        await asyncio.to_thread(self._keep, self.shown)

    async def _is_true(self, witness: Witness) -> bool:
        if witness.epoch != self._keyring.epoch:
            return witness.epoch < self._keyring.epoch
        checkpoint = witness.checkpoint
        head = await self._lane.journal_head(checkpoint.partition)
        if checkpoint.sequence > head.sequence:
            return False
        if checkpoint.sequence == 0:
            return True
        (entry,) = await self._store.journal(
            checkpoint.partition, after_sequence=checkpoint.sequence - 1, limit=1
        )
        return checkpoint.fits(entry.chain_hash)

    def _remember(self, text: str) -> None:
        self._known[text] = None
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
