"""The start of a server: whether this is the database that it left, or an older one.

1. Compare the database with the mark outside of it.
2. If it is another one: raise the epoch, so that every code of before is dead.
3. Announce a new start beside the old mark.
4. Write the start into the database, with the recovery that step 2 asks for.
5. Leave the new mark alone.

A server that dies in between finds the same at its next start. Restoring again, or starting a copy,
is found by the same comparison.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final, NoReturn

from tallymark_server.clock import Clock
from tallymark_server.domain.commands import Caller, Command, FoundLoss, RecordStart
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.journal import JournalHead
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.recovery import Recovery, ServerStart
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import HighWater, Mark
from tallymark_server.lanes.lane import Lane
from tallymark_server.storage.store import Store, StoreFailed

__all__ = ["MARK_SECONDS", "begin", "keeping_mark", "log_recovery", "newest_recovery"]

MARK_SECONDS: Final = 1.0
"""How far the mark may lie behind the journal."""

_SERVER: Final = Caller(kind=CallerKind.SERVER, caller_id="start")

_log = logging.getLogger(__name__)


async def begin(
    store: Store,
    *,
    clock: Clock,
    keyring: Keyring,
    high_water: HighWater,
    partitions: Sequence[int],
) -> Recovery | None:
    """Begin to serve this database; return the recovery that is open, if one is.

    Raises:
        StoreFailed: the store failed.
        OSError: the mark or the epoch could not be written.

    """
    heads = await _heads(store, partitions)
    found_by = await _difference(store, high_water, heads)  # (1)
    loss = None
    if found_by:
        loss = await _loss(store, keyring, high_water, found_by)
        await asyncio.to_thread(keyring.raise_epoch, loss.epoch)  # (2)
    mark = Mark(start_id=secrets.token_hex(16), heads=heads)
    await asyncio.to_thread(high_water.announce, mark)  # (3)
    command = RecordStart(caller=_SERVER, partition=DIRECTORY, start_id=mark.start_id, loss=loss)
    await _decide_alone(store, clock, command)  # (4)
    await asyncio.to_thread(high_water.replace, mark)  # (5)
    recovery = await newest_recovery(store)
    return recovery if recovery is not None and recovery.is_unsettled else None


async def newest_recovery(store: Store) -> Recovery | None:
    """Return the newest recovery, open or finished; None if there never was one."""
    key = Recovery.key_of_newest()
    row = (await store.load([key]))[key]
    assert row is None or isinstance(row, Recovery), "the key's table"
    return row


def log_recovery(recovery: Recovery) -> None:
    """Say loudly that something is lost, and what to do."""
    _log.critical(
        "THE DATABASE IS OLDER THAN WHAT WAS ANSWERED: %s. At least %d decisions are lost, all of"
        " them after %s. Codes of before are dead. Tickets, bills and points of before are frozen"
        " until the terminals have reported and the recovery is finished: tallymark-admin recovery"
        " status, and docs/restore.md",
        recovery.found_by,
        recovery.lost_at_least,
        datetime.fromtimestamp(recovery.lost_since / 1000, tz=UTC).isoformat(timespec="seconds"),
    )


@asynccontextmanager
async def keeping_mark(
    store: Store, high_water: HighWater, partitions: Sequence[int]
) -> AsyncIterator[None]:
    """Let the mark follow the journals, once a second and at the end.

    A mark that cannot be written lies further behind, and less would be noticed; serving goes on.
    """
    following = asyncio.create_task(_follow(store, high_water, partitions))
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        with suppress(StoreFailed):
            await _advance(store, high_water, partitions)


async def _follow(store: Store, high_water: HighWater, partitions: Sequence[int]) -> NoReturn:
    while True:
        await asyncio.sleep(MARK_SECONDS)
        with suppress(StoreFailed):  # the server is about to end for that
            await _advance(store, high_water, partitions)


async def _advance(store: Store, high_water: HighWater, partitions: Sequence[int]) -> None:
    heads = await _heads(store, partitions)
    try:
        await asyncio.to_thread(high_water.advance, heads)
    except OSError as error:
        _log.error("the mark beside the keys cannot be written: %s", error)


async def _heads(store: Store, partitions: Sequence[int]) -> dict[int, JournalHead]:
    return {partition: await store.journal_head(partition) for partition in partitions}


async def _difference(store: Store, high_water: HighWater, heads: Mapping[int, JournalHead]) -> str:
    """Return in words what shows that this is not the database of the mark; empty: it is."""
    key = ServerStart.key_of_current()
    start = (await store.load([key]))[key]
    shown = high_water.shown
    if shown is not None:
        return f"a client has shown entry {shown.sequence} of the journal, in epoch {shown.epoch}"
    if not high_water.marks:  # the first start with a mark
        return "the keys have no mark of this database" if start is not None else ""
    for mark in high_water.marks:
        if isinstance(start, ServerStart) and start.start_id == mark.start_id:
            return await _journal_difference(store, mark, heads)
    return "it is not the database that these keys were last used with"


async def _journal_difference(store: Store, mark: Mark, heads: Mapping[int, JournalHead]) -> str:
    for partition, marked in mark.heads.items():
        head = heads[partition]
        if head.sequence < marked.sequence:
            return f"its journal has {head.sequence} entries, and had {marked.sequence}"
        entries = await store.journal(partition, after_sequence=marked.sequence - 1, limit=1)
        if marked.sequence and entries[0].chain_hash != marked.chain_hash:
            return f"entry {marked.sequence} of its journal is not the one that it was"
    return ""


async def _loss(store: Store, keyring: Keyring, high_water: HighWater, found_by: str) -> FoundLoss:
    """Return what is lost, as far as anybody can know."""
    head = await store.journal_head(DIRECTORY)
    newest = await store.journal(DIRECTORY, after_sequence=head.sequence - 1, limit=1)
    earlier = await newest_recovery(store)
    shown = high_water.shown
    known = [mark.heads[DIRECTORY].sequence for mark in high_water.marks]
    known += [shown.sequence] if shown else []
    epochs = [keyring.epoch, shown.epoch if shown else 0, earlier.epoch if earlier else 0]
    return FoundLoss(
        recovery_id=secrets.token_hex(16),
        epoch=max(epochs) + 1,
        kept_sequence=head.sequence,
        lost_at_least=max([0, *(sequence - head.sequence for sequence in known)]),
        lost_since=newest[0].record.decided_at if newest else 0,
        found_by=found_by,
    )


async def _decide_alone(store: Store, clock: Clock, command: Command) -> None:
    """Have a command decided before anybody is served."""
    lane = Lane(store=store, clock=clock, on_commit=lambda _: None)
    running, deciding = map(asyncio.create_task, (lane.run(), lane.submit(command)))
    try:
        await asyncio.wait({running, deciding}, return_when=asyncio.FIRST_COMPLETED)
        lane.stop()
        await running  # which tells what made it fail
        await deciding
    finally:
        deciding.cancel()
