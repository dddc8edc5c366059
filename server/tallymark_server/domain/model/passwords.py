"""Tries of passwords."""

from typing import ClassVar

from tallymark_server.domain.state import CustomerRow

__all__ = ["PasswordTries"]


class PasswordTries(CustomerRow, frozen=True, kw_only=True, omit_defaults=True):
    """Tries of a customer's password since the last right one. No row: none.

    Names that nobody has are counted too, each in one of a fixed number of places: `owner_id` is
    the place, `name_hash` whose tries it holds. The next name in the same place takes it over.
    """

    table: ClassVar[str] = "password_tries"
    key_fields: ClassVar[tuple[str, ...]] = ("owner_id",)

    owner_id: str
    name_hash: str = ""
    failures: int = 0
    wait_until: int = 0
