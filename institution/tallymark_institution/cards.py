"""Cards: which numbers are accepted, and the token that stands for one.

The token is made anew from the same request. The simulator keeps neither number nor token, and
charges every token that it is shown; the gateway keeps what the host needs (`iso8583`).
"""

import datetime as dt
import hmac
from typing import Final

import msgspec

__all__ = ["AcceptedCard", "CardNotAccepted", "accept_card"]

_TOKEN_BYTES: Final = 20
"""160 bits: no token is ever guessed, nor met twice."""

_BRANDS: Final = (
    ("VISA", ("4",), 13, 19),
    ("MASTERCARD", tuple(str(prefix) for prefix in (*range(51, 56), *range(2221, 2721))), 16, 16),
    ("AMERICAN EXPRESS", ("34", "37"), 15, 15),
    ("JCB", tuple(str(prefix) for prefix in range(3528, 3590)), 16, 19),
    ("DISCOVER", ("6011", "644", "645", "646", "647", "648", "649", "65"), 16, 19),
    ("DINERS CLUB", ("300", "301", "302", "303", "304", "305", "36", "38", "39"), 14, 19),
    ("UNIONPAY", ("62",), 16, 19),
)
"""Brand, prefixes, fewest and most digits (ISO/IEC 7812 ranges as the brands publish them)."""

_OTHER_BRAND: Final = "OTHER"


class CardNotAccepted(Exception):
    """A card that cannot be registered: which field is wrong, and how."""

    def __init__(self, field: str, happened: str) -> None:
        """Take the field's name in the contract, and a sentence without the number."""
        super().__init__(happened)
        self.field = field


class AcceptedCard(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller gets for a card number."""

    token: str
    brand: str
    last_four: str

    def __repr__(self) -> str:
        """Show all but the token, which can be charged."""
        return f"AcceptedCard(brand={self.brand!r}, last_four={self.last_four!r})"


def accept_card(  # noqa: PLR0913 -- the request, and what its token is made with
    *,
    request_id: str,
    card_number: str,
    expires_on: str,
    today: dt.date,
    token_key: bytes,
    prefix: str = "sim",
) -> AcceptedCard:
    """Return a card's token, brand and last four digits; the same for the same id and number.

    `expires_on` is "YYYY-MM"; the prefix of the token says who made it. Raises CardNotAccepted.
    """
    if not _has_valid_check_digit(card_number):
        field, happened = "card_number", "The check digit is wrong: a digit was mistyped."
        raise CardNotAccepted(field, happened)
    if expires_on < f"{today:%Y-%m}":
        field, happened = "expires_on", "The card is over its date."
        raise CardNotAccepted(field, happened)
    covered = f"{len(request_id)}:{request_id}:{card_number}".encode()
    digest = hmac.digest(token_key, covered, "sha256")[:_TOKEN_BYTES]
    return AcceptedCard(
        token=f"{prefix}_{digest.hex()}",
        brand=_brand(card_number),
        last_four=card_number[-4:],
    )


def _has_valid_check_digit(number: str) -> bool:
    """Check the last digit by the formula of ISO/IEC 7812-1, annex B ("Luhn")."""
    total = sum(int(digit) for digit in number[-1::-2])
    for digit in number[-2::-2]:
        doubled = 2 * int(digit)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004 - cross sum
    return total % 10 == 0


def _brand(number: str) -> str:
    for name, prefixes, digits_min, digits_max in _BRANDS:
        if digits_min <= len(number) <= digits_max and number.startswith(prefixes):
            return name
    return _OTHER_BRAND
