"""Measures what a finished scan takes of the database: the part footprint of `make bench`.

Customers fetch codes and show them to nobody, then to a gate, then to a till. What the tables grow
by is told by SQLite itself (its table dbstat): whole pages, with what is free in them.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.contestants import Caller, issue
from bench.crowd import Crowd, crowd
from bench.lines import Line, main
from bench.load import Script
from bench.processes import LOAD_CORE, hands

__all__ = ["Scale", "measure"]

_BY_TABLE: Final = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"

SMALLEST_SHOWN: Final = 10
"""Bytes for each item; what grows by less is left out of the note."""


class Scale(NamedTuple):
    """How many do it, and how often each."""

    customers: int = 100
    rounds: int = 20


QUICK: Final = Scale(customers=20, rounds=5)


def measure(*, is_quick: bool) -> list[Line]:
    """Fetch and scan codes."""
    return uvloop.run(look(QUICK if is_quick else Scale()))


async def look(scale: Scale) -> list[Line]:
    """Return a line for what a code takes, and for what its scan takes besides."""
    with tempfile.TemporaryDirectory(prefix="tallymark-bench-") as folder, hands(LOAD_CORE) as hand:
        async with crowd(Path(folder) / "server", scale.customers) as served:
            player = _Player(served, Caller(hand), Path(folder) / "server" / "data", scale)
            return [
                await player.grow_by("a code that nobody scans", player.fetch),
                await player.grow_by("a code and its admission", player.admit),
                await player.grow_by("a code and its sale", player.sell),
            ]


class _Player:
    """Plays rounds, and looks at the tables before and after."""

    def __init__(self, served: Crowd, caller: Caller, data: Path, scale: Scale) -> None:
        self._served = served
        self._caller = caller
        self._database = data / "tallymark.sqlite3"
        self._scale = scale

    async def grow_by(self, name: str, play: Callable[[], Awaitable[None]]) -> Line:
        before = await asyncio.to_thread(_bytes_by_table, self._database)
        for _ in range(self._scale.rounds):
            await play()
        after = await asyncio.to_thread(_bytes_by_table, self._database)
        count = self._scale.rounds * self._scale.customers
        grown = {table: (after[table] - before.get(table, 0)) / count for table in after}
        shown = sorted(grown.items(), key=lambda item: -item[1])
        return Line(
            name=f"database bytes of {name}",
            got=sum(grown.values()),
            unit="bytes",
            trials=count,
            note=", ".join(f"{table} {size:.0f}" for table, size in shown if size > SMALLEST_SHOWN),
            figures={"tables": dict(shown)},
        )

    async def fetch(self) -> None:
        await issue(self._served, self._caller)

    async def admit(self) -> None:
        _, codes = await issue(self._served, self._caller)
        script = Script(self._served.gate_address, self._served.admit(codes))
        await self._caller.play(self._served.pid, script)

    async def sell(self) -> None:
        _, codes = await issue(self._served, self._caller)
        script = Script(self._served.gate_address, self._served.sell(codes))
        await self._caller.play(self._served.pid, script)


def _bytes_by_table(database: Path) -> Mapping[str, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reading:
        return dict(reading.execute(_BY_TABLE).fetchall())


if __name__ == "__main__":
    main(measure, "footprint")
