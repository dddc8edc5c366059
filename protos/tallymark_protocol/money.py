"""Amounts of money, exact, as people write them and as the contracts carry them."""

import re
from typing import Final

__all__ = [
    "MINOR_UNITS_MAX",
    "MINOR_UNIT_DIGITS",
    "NotMoney",
    "format_minor_units",
    "format_money",
    "minor_unit_digits",
    "parse_minor_units",
]

MINOR_UNITS_MAX: Final = 10**12
"""Largest amount in minor units that the contracts carry (money.proto)."""

_DIGITS_BY_DEFAULT: Final = 2

# ISO 4217, list one: the currencies whose minor unit is not a hundredth. The second line of those
# without digits has no minor unit at all (metals, funds, tests); they are counted as wholes.
_CURRENCY_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    " XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

MINOR_UNIT_DIGITS: Final = {
    code: digits for digits, codes in _CURRENCY_CODES.items() for code in codes.split()
}
"""Digits after the point of each currency that has not two of them."""

_CURRENCY_CODE: Final = re.compile(r"[A-Z]{3}")
_AMOUNT: Final = re.compile(r"(?P<whole>[0-9]{1,15})(?:\.(?P<fraction>[0-9]{1,15}))?")


class NotMoney(ValueError):
    """The text is not an amount of the currency. The message says what is wrong and what to do."""


def minor_unit_digits(currency_code: str) -> int:
    """Return the number of digits after the point that amounts of the currency have.

    Raises:
        NotMoney: not three capital letters.

    """
    if not _CURRENCY_CODE.fullmatch(currency_code):
        message = "The currency is three capital letters, for example EUR."
        raise NotMoney(message)
    return MINOR_UNIT_DIGITS.get(currency_code, _DIGITS_BY_DEFAULT)


def parse_minor_units(text: str, currency_code: str) -> int:
    """Return the minor units that the text stands for, such as 420 for "4.20" or "4.2" of EUR.

    Only ASCII digits and one point are read. A comma is refused, because it divides thousands in
    one country and cents in the next. Spaces around the text do not count.

    Raises:
        NotMoney: no plain amount, more digits than the currency has, or above MINOR_UNITS_MAX.

    """
    digits = minor_unit_digits(currency_code)
    amount = _AMOUNT.fullmatch(text.strip())
    if amount is None:
        example = format_minor_units(1050 * 10**digits // 100, currency_code)
        message = f"Write the amount with digits and a point only, for example {example}."
        raise NotMoney(message)
    fraction = amount["fraction"] or ""
    if len(fraction) > digits:
        at_most = f"at most {digits} digits" if digits else "no digits"
        message = f"{currency_code} has {at_most} after the point."
        raise NotMoney(message)
    minor_units = int(amount["whole"] + fraction.ljust(digits, "0"))
    if minor_units > MINOR_UNITS_MAX:
        message = f"At most {format_money(MINOR_UNITS_MAX, currency_code)} can be given."
        raise NotMoney(message)
    return minor_units


def format_minor_units(minor_units: int, currency_code: str) -> str:
    """Return the amount alone, such as "4.20", with all digits that the currency has.

    Raises:
        NotMoney: the currency is not three capital letters.

    """
    digits = minor_unit_digits(currency_code)
    sign = "-" if minor_units < 0 else ""
    if digits == 0:
        return f"{sign}{abs(minor_units)}"
    whole, fraction = divmod(abs(minor_units), 10**digits)
    return f"{sign}{whole}.{fraction:0{digits}}"


def format_money(minor_units: int, currency_code: str) -> str:
    """Return the amount with its currency, such as "4.20 EUR".

    Raises:
        NotMoney: the currency is not three capital letters.

    """
    return f"{format_minor_units(minor_units, currency_code)} {currency_code}"
