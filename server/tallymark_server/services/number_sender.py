"""How a verification code reaches a telephone number."""

import logging
from typing import Protocol

__all__ = ["LogNumberSender", "NumberSender"]

_log = logging.getLogger(__name__)


class NumberSender(Protocol):
    """Sends six digits to a telephone number, for example by SMS."""

    async def send(self, telephone_number: str, number_code: str) -> None:
        """Send the code; raise nothing that the customer could act on."""
        ...


class LogNumberSender:
    """Prints to the operator's log instead, for trying out.

    Of the number only the last four digits are shown.
    """

    async def send(self, telephone_number: str, number_code: str) -> None:
        """Print the code."""
        _log.warning(
            "no SMS gateway: the verification code for the number ending in %s is %s",
            telephone_number[-4:],
            number_code,
        )
