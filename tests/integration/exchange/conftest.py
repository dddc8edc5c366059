"""A server whose part that serves streams can be driven by hand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallymark_server import make_services
from tallymark_server.keyring import Keyring
from tallymark_server.services.exchange import Exchange
from tallymark_server.storage.memory import MemoryStore
from tests.integration.exchange.gate import Gate
from tests.world.serving import world


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> AsyncIterator[Gate]:
    """Serve from memory a gate of the cafe, whose commits can be held back."""
    made: list[Exchange] = []

    def make(**parts: Any) -> Exchange:
        made.append(Exchange(**parts))
        return made[0]

    monkeypatch.setattr(make_services, "Exchange", make)
    store = MemoryStore()
    async with world(store, keyring) as served:
        yield await Gate.open(served, made[0])
