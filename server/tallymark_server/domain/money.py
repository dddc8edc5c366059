"""Amounts of money: an ISO 4217 currency and a number of its minor units."""

from tallymark_server.domain.value import Value

__all__ = ["Money"]


class Money(Value, frozen=True, kw_only=True):
    """An amount, never negative."""

    currency_code: str
    minor_units: int

    def plus(self, minor_units: int) -> "Money":
        """Return this amount changed by a number of minor units."""
        return Money(currency_code=self.currency_code, minor_units=self.minor_units + minor_units)
