"""The ground of all crash tests: made once, because a furnished server takes its time."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.crash.strace import check_strace
from tests.crash.walk import Ground


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ground() -> AsyncIterator[Ground]:
    """Furnish a server whose folder is copied for each test."""
    check_strace()
    async with Ground.prepared() as ground:
        yield ground
