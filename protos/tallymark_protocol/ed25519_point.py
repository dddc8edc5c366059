"""Whether 32 bytes are a public key of Ed25519 that a signature proves something with.

The usual libraries take any 32 bytes for a key. Under a point of small order (there are eight) the
signature of 32 bytes of the neutral element and 32 zeros fits every message, so a device with such
a key could deny whatever it signed. RFC 8032 leaves the check to whoever needs more than it gives.

Plain arithmetic on public bytes: it need not run in constant time. It takes about 0.2 ms.
"""

from typing import Final

__all__ = ["is_point_of_large_order"]

_KEY_BYTES: Final = 32
_PRIME: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _PRIME) % _PRIME  # of the curve: -x² + y² = 1 + d x² y²


def is_point_of_large_order(key_bytes: bytes) -> bool:
    """Say whether the bytes are the one encoding of a point on the curve, of no small order.

    The curve's group has eight times a prime of elements, so three doublings bring exactly the
    points of small order to the neutral element (0, 1).
    """
    if len(key_bytes) != _KEY_BYTES:
        return False
    y = int.from_bytes(key_bytes, "little") & (2**255 - 1)  # the last bit tells the sign of x
    if y >= _PRIME or not _is_square(_x_squared(y)):
        return False
    for _ in range(3):
        y = _y_of_double(y)
    return y != 1


def _y_of_double(y: int) -> int:
    """Return the y of twice the point; the sign of x, which is not known, does not matter."""
    xx = _x_squared(y)
    yy = y * y % _PRIME
    return (yy + xx) * pow(1 - _D * xx * yy, -1, _PRIME) % _PRIME


def _x_squared(y: int) -> int:
    # The divisor is never zero, because -1 is a square of this field and d is none.
    yy = y * y % _PRIME
    return (yy - 1) * pow(_D * yy + 1, -1, _PRIME) % _PRIME


def _is_square(number: int) -> bool:
    """Tell squares by Euler's criterion; zero is one."""
    return pow(number, (_PRIME - 1) // 2, _PRIME) in {0, 1}
