import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.terminal_service import TerminalServiceDouble

from .program import Program


@pytest.fixture
async def unenrolled(tmp_path: Path) -> AsyncIterator[Program]:
    double = TerminalServiceDouble(now=time.time)
    async with double.served() as address:
        yield Program(double=double, address=address, folder=tmp_path)


@pytest.fixture
def program(unenrolled: Program) -> Program:
    unenrolled.enrol()
    return unenrolled
