"""Base45 (RFC 9285) in its one canonical form, fast enough for the server's busiest path.

Two bytes make three characters of an alphabet that QR symbols pack into eleven bits per pair, so a
code costs about a third less area than base64. Why this is not a library: docs/decisions/0001.
"""

from struct import error as StructError  # noqa: N812 - the name that PEP 8 gives an exception
from struct import pack, unpack
from typing import Final

__all__ = ["ALPHABET", "NotBase45", "decode", "encode"]

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

_NOT_IN_ALPHABET: Final = 255
_DIGIT_OF_CHARACTER: Final = bytes(
    ALPHABET.index(chr(code)) if chr(code) in ALPHABET else _NOT_IN_ALPHABET for code in range(256)
)
_PAIRS: Final = tuple(second + first for first in ALPHABET for second in ALPHABET)


class NotBase45(ValueError):
    """The text is not Base45, or not the canonical Base45 of any bytes."""


def encode(data: bytes) -> str:
    """Return the Base45 text of the bytes: three characters per two bytes, two for an odd one."""
    words = unpack(f">{len(data) // 2}H", data[: len(data) & ~1])
    text = "".join([_PAIRS[word % 2025] + ALPHABET[word // 2025] for word in words])
    return text + _PAIRS[data[-1]] if len(data) % 2 else text


def decode(text: str) -> bytes:
    """Return the bytes of a Base45 text; exactly one text gives any bytes.

    Raises:
        NotBase45: a character outside the alphabet (lower case too), a length that no bytes have,
            or a group whose value is above 65535 (255 in the last, two-character group).

    """
    # Characters beyond Latin-1 become "?", which the alphabet does not have either.
    digits = text.encode("latin-1", "replace").translate(_DIGIT_OF_CHARACTER)
    if _NOT_IN_ALPHABET in digits:
        message = "a character is not in the Base45 alphabet; scan the code again"
        raise NotBase45(message)
    odd_digits = len(digits) % 3
    if odd_digits == 1:
        message = "no bytes have a Base45 text of this length; scan the whole code"
        raise NotBase45(message)
    words = [
        low + 45 * middle + 2025 * high
        for low, middle, high in zip(digits[0::3], digits[1::3], digits[2::3], strict=False)
    ]
    try:
        data = pack(f">{len(words)}H", *words)
        return data + bytes([digits[-2] + 45 * digits[-1]]) if odd_digits else data
    except (StructError, ValueError):
        message = "a group of characters stands for no byte; scan the code again"
        raise NotBase45(message) from None
