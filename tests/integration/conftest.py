"""Fixtures of the stories."""

import pytest

from tests.world.shop import Shop, open_shop
from tests.world.world import World


@pytest.fixture
async def shop(in_memory: World) -> Shop:
    """Return a customer at a till, served from memory."""
    return await open_shop(in_memory)


@pytest.fixture
async def kept_shop(tallymark: World) -> Shop:
    """Return a customer at a till, served from each store in turn."""
    return await open_shop(tallymark)
