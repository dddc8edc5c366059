"""A shop over which years pass, while old rows are removed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tallymark_server.domain.state import Row
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

__all__ = ["DAY_SECONDS", "YEARS_DAYS", "kept", "opened", "pass_days"]

DAY_SECONDS = 86_400

YEARS_DAYS = 401
"""Longer than a process is kept unless the operator says otherwise."""


@asynccontextmanager
async def opened(keyring: Keyring) -> AsyncIterator[Shop]:
    """Serve a shop whose customer has many points."""
    async with world(MemoryStore(), keyring) as made:
        shop = await open_shop(made)
        await made.operator.add_points(shop.phone, 100_000, "more")
        yield shop


async def pass_days(shop: Shop, days: float) -> int:
    """Let days pass and old rows be removed; return how many were."""
    await shop.world.pass_time(seconds=days * DAY_SECONDS)
    total = 0
    while removed := await shop.world.app.purger.look():
        total += removed
    return total


async def kept(shop: Shop, *tables: type[Row]) -> dict[str, int]:
    """Return how many rows there are in these tables."""
    found = {table: await shop.world.store.scan(table, 0, limit=10_000) for table in tables}
    return {table.table: len(rows) for table, rows in found.items()}
