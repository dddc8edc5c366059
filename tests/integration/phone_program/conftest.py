from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.customer_service import CustomerServiceDouble

from .program import PhoneProgram


@pytest.fixture
def double() -> CustomerServiceDouble:
    return CustomerServiceDouble()


@pytest.fixture
async def nobodys(double: CustomerServiceDouble, tmp_path: Path) -> AsyncIterator[PhoneProgram]:
    """Return a phone that nobody has registered yet."""
    async with double.served() as address:
        yield PhoneProgram(tmp_path, double=double, address=address)


@pytest.fixture
async def phone(nobodys: PhoneProgram) -> PhoneProgram:
    """Return ana's phone."""
    await nobodys.register()
    return nobodys
