"""A server that was told that its database was restored."""

from tallymark_server.beginning import newest_recovery
from tallymark_server.domain.commands import Caller, FoundLoss, RecordStart
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import CallerKind
from tests.world.world import World

__all__ = ["open_recovery"]


async def open_recovery(world: World) -> str:
    """Open a recovery, unless one is open; return its id."""
    recovery = await newest_recovery(world.store)
    if recovery is not None and recovery.is_unsettled:
        return recovery.recovery_id
    loss = FoundLoss(
        recovery_id="ab" * 16,
        epoch=world.keyring.epoch,
        kept_sequence=1,
        lost_at_least=1,
        lost_since=world.clock.now() + 1_000,  # so that no certificate of the world is newer
        found_by="a test says so",
    )
    start = RecordStart(
        caller=Caller(kind=CallerKind.SERVER, caller_id="start"),
        partition=DIRECTORY,
        start_id="cd" * 16,
        loss=loss,
    )
    await world.app.lane.submit(start)
    return loss.recovery_id
