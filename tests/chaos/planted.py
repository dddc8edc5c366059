"""Servers with a planted bug: the chaos run has to find each of them."""

from pathlib import Path
from random import Random
from typing import Final

from tests.chaos.run import play

__all__ = ["PLANTED", "codes_until_found"]

ROUND_SECONDS: Final = 8.0
"""For which a server with a bug is played with at a time: two of them are killed in it."""

ROUNDS_MAX: Final = 10

PATIENCE_SECONDS: Final = 2.0
"""A sale that has not ended by then never will: nothing more is wrong with the lines."""

_FORGETS_REQUESTS: Final = """
from tallymark_server.domain import decide
from tallymark_server.main import main

decide._earlier_answer = lambda draft, command: None
main()
"""

_ANSWERS_BEFORE_SAVING: Final = """
import asyncio, time
from tallymark_server.main import main
from tallymark_server.storage.sqlite import SqliteStore

save, saving = SqliteStore.save, set()

async def save_later(store, *given):
    slow_disk = store._run(lambda connection: time.sleep(0.05))
    saving.update(map(asyncio.ensure_future, (slow_disk, save(store, *given))))
    await asyncio.sleep(0)  # they are in the queue of the store's thread now, ahead of any reading

SqliteStore.save = save_later
main()
"""

_STALE_POINTS: Final = """
import pytest
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.main import main
from tests.integration.guarantees.stale_rows import plant_stale_rows

plant_stale_rows(PointsAccount, pytest.MonkeyPatch())
main()
"""

PLANTED: Final = {
    "requests are forgotten": _FORGETS_REQUESTS,
    "answered before it is saved": _ANSWERS_BEFORE_SAVING,
    "balances as they were read, then written": _STALE_POINTS,
}
"""Server programs by what is wrong with them."""


async def codes_until_found(
    name: str, folder: Path, seed: str, *, seconds: float = ROUND_SECONDS
) -> int:
    """Return how many codes were shown until the bug was found; 0 if it was not."""
    codes = 0
    for number in range(ROUNDS_MAX):
        place = folder / f"round-{number}"
        place.mkdir()
        chaos = await play(
            place,
            seconds,
            Random(f"{seed} {number}"),  # noqa: S311 -- repeatable
            code=PLANTED[name],
            patience_seconds=PATIENCE_SECONDS,
        )
        codes += len(chaos.history.operations)
        if chaos.wrong.total():
            return codes
    return 0
