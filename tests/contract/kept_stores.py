"""Stores that can be restarted, each of its kind."""

from pathlib import Path
from typing import Protocol

from tallymark_server.storage.memory import MemoryStore
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.store import Store
from tests.world.keys import cells_of_tests

__all__ = ["Kept", "KeptInMemory", "KeptInSqlite"]


class Kept(Protocol):
    """A store, and what a restart makes of it."""

    @property
    def store(self) -> Store:
        """The store that serves now."""

    async def restart(self) -> None:
        """End this store and start one that finds what it kept."""


class KeptInMemory:
    """A store in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    async def restart(self) -> None:
        self.store = self.store.restarted()


class KeptInSqlite:
    """A store in a SQLite file."""

    def __init__(self, path: Path, store: SqliteStore) -> None:
        self._path = path
        self.store = store

    async def restart(self) -> None:
        await self.store.close()
        self.store = await SqliteStore.open(self._path, cells_of_tests())
