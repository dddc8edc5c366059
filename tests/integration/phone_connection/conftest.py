from collections.abc import AsyncIterator

import pytest

from tallymark_phone.server_connection import PhoneConnection
from tests.doubles.customer_facts import DEVICE_ID, TOKEN
from tests.doubles.customer_service import CustomerServiceDouble

from .connection import DEVICE_KEY, connect


@pytest.fixture
def double() -> CustomerServiceDouble:
    return CustomerServiceDouble()


@pytest.fixture
async def address(double: CustomerServiceDouble) -> AsyncIterator[str]:
    async with double.served() as address:
        yield address


@pytest.fixture
async def phone(double: CustomerServiceDouble, address: str) -> AsyncIterator[PhoneConnection]:
    """Return the connection of a phone that the double knows."""
    double.devices.keys[DEVICE_ID] = DEVICE_KEY.public()
    async with connect(double, address, session_token=TOKEN) as connection:
        yield connection
