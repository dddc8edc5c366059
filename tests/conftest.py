"""Fixtures that several folders share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallymark_server.keyring import Keyring
from tallymark_server.services import interceptors
from tallymark_server.storage.memory import MemoryStore
from tallymark_server.storage.sqlite import SqliteStore
from tests.world.serving import world
from tests.world.world import World

pytest_plugins = ["tests.proof"]


@pytest.fixture(autouse=True)
def _stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers in this process stop without waiting for calls that may still be on the wire."""
    monkeypatch.setattr(interceptors, "QUIET_SECONDS", 0)


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Return keys that are made once for all tests."""
    return Keyring.open(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def in_memory(keyring: Keyring) -> AsyncIterator[World]:
    """Serve from memory: for tests of rules and services."""
    store = MemoryStore()
    async with world(store, keyring) as served:
        yield served


@pytest.fixture(params=["memory", "sqlite"])
async def tallymark(
    request: pytest.FixtureRequest, keyring: Keyring, tmp_path: Path
) -> AsyncIterator[World]:
    """Serve from each store in turn."""
    if request.param == "memory":
        store: MemoryStore | SqliteStore = MemoryStore()
    else:
        store = await SqliteStore.open(tmp_path / "data" / "tallymark.sqlite3", keyring.cells)
    try:
        async with world(store, keyring) as served:
            yield served
    finally:
        await store.close()
