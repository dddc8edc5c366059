"""Amounts of money as whole numbers of a currency's smallest unit; no floating point anywhere."""

from dataclasses import dataclass

from tallymark_protocol.money import NotMoney, format_minor_units, parse_minor_units

__all__ = ["Money", "parse_amount"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """An amount in the smallest unit of one currency: 4.20 EUR is 420, 500 JPY is 500."""

    currency_code: str
    minor_units: int

    @property
    def figures(self) -> str:
        """The amount without its currency, "4.20"; the bare number if that is no currency."""
        try:
            return format_minor_units(self.minor_units, self.currency_code)
        except NotMoney:
            return str(self.minor_units)

    def __str__(self) -> str:
        """Return the amount as people write it, "4.20 EUR"."""
        return f"{self.figures} {self.currency_code}"


def parse_amount(text: str, *, currency_code: str) -> Money:
    """Return the amount that the text says exactly; raises NotMoney."""
    minor_units = parse_minor_units(text, currency_code)
    return Money(currency_code=currency_code, minor_units=minor_units)
