"""A server on a folder of data and a folder of keys, started and ended as the program does."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tallymark_server.beginning import begin, keeping_mark
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring
from tallymark_server.keys.folder import KeyFolder
from tallymark_server.keys.high_water import HighWater
from tallymark_server.parts import PARTITIONS
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.tls.authority import Authority
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import MovedClock
from tests.world.operator import Operator
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.terminal import Terminal

__all__ = ["Kept", "Served"]


@dataclass(kw_only=True)
class Served:
    """A server that serves, who calls it, and whether it found that something is lost."""

    shop: Shop
    recovery: Recovery | None
    high_water: HighWater
    backups: Backups

    @property
    def phone(self) -> Phone:
        return self.shop.phone

    @property
    def till(self) -> Terminal:
        return self.shop.till

    @property
    def operator(self) -> Operator:
        return self.shop.world.operator


@dataclass(kw_only=True)
class Kept:
    """What is on the disk, and the people who stay the same from server to server."""

    data: Path
    keys: Path
    clock: MovedClock = field(default_factory=MovedClock)
    authority: Authority = field(default_factory=lambda: new_authority(LONG_LIVES))
    people: tuple[Operator, Phone, Terminal] | None = None
    institution: CreditInstitution | None = None
    """One that outlives the server; else each server has a new one."""

    @classmethod
    def under(cls, path: Path) -> "Kept":
        """Keep everything under this path."""
        return cls(data=path / "data", keys=path / "keys")

    @property
    def database(self) -> Path:
        return self.data / "tallymark.sqlite3"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Served]:
        """Start a server, and stop it cleanly."""
        folder = KeyFolder.open(self.keys, make_missing=not self.database.exists())
        keyring, high_water = Keyring.read(folder), HighWater(folder)
        store = await SqliteStore.open(self.database, keyring.cells)
        backups = Backups(database=self.database, folder=self.data / "backups")
        try:
            recovery = await begin(
                store,
                clock=self.clock,
                keyring=keyring,
                high_water=high_water,
                partitions=PARTITIONS,
            )
            async with (
                keeping_mark(store, high_water, PARTITIONS),
                world(
                    store,
                    keyring,
                    authority=self.authority,
                    clock=self.clock,
                    backups=backups,
                    institution=self.institution,
                    keep_shown=high_water.keep_shown,
                    again=self.people is not None,
                ) as made,
            ):
                if self.people is None:
                    shop = await open_shop(made)
                    self.people = (made.operator, shop.phone, shop.till)
                made.operator, phone, till = self.people
                for actor in self.people:
                    await made.connect(actor)
                yield Served(
                    shop=Shop(made, phone, till),
                    recovery=recovery,
                    high_water=high_water,
                    backups=backups,
                )
        finally:
            await store.close()

    async def new_epoch(self) -> int:
        """Return the epoch in the folder of keys."""
        return Keyring.read(KeyFolder.open(self.keys)).epoch

    def restore(self, backup: Path) -> None:
        """Put a copy of the backup in the database's place."""
        for name in ("", "-wal", "-shm"):
            Path(f"{self.database}{name}").unlink(missing_ok=True)
        shutil.copy(backup, self.database)
