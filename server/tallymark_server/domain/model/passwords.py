"""Tries of passwords."""

from typing import ClassVar

from tallymark_server.domain.state import CustomerRow

__all__ = ["PasswordTries"]


class PasswordTries(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """Tries of a customer's password since the last right one, of which there is at least one."""

    table: ClassVar[str] = "password_tries"
    is_open: ClassVar[bool] = True  # ids and counts
    key_fields: ClassVar[tuple[str, ...]] = ("customer_id",)

    customer_id: str
    failures: int = 0
    wait_until: int = 0
