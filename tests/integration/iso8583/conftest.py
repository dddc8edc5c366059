"""A host that listens, and a desk before a gateway that has signed on to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallymark_institution.iso8583.host.server import CardHost
from tests.integration.iso8583.ground import Counter, counter, line_to


@pytest.fixture
def host() -> CardHost:
    return CardHost(late_seconds=0)


@pytest.fixture
async def host_port(host: CardHost) -> AsyncIterator[int]:
    async with host.listening() as port:
        yield port


@pytest.fixture
async def desk(tmp_path: Path, host_port: int) -> AsyncIterator[Counter]:
    async with counter(tmp_path, line_to(host_port)) as made:
        yield made
