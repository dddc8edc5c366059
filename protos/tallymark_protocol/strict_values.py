"""Demands on values that strangers send or that somebody signs: the type to the letter, the range.

Python takes True for 1 and 4.0 for 4, which CBOR tells apart; here they are told apart too.
"""

from enum import StrEnum
from typing import Any, Final, TypeVar

__all__ = [
    "NUMBER_MAX",
    "demand",
    "demand_bytes",
    "demand_number",
    "demand_text",
    "list_of",
    "map_of",
    "one_of",
]

NUMBER_MAX: Final = 2**63 - 1
"""Largest number that the contracts carry (int64)."""

E = TypeVar("E", bound=StrEnum)


def demand(is_so: bool, rule: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise ValueError with the rule unless it is so."""
    if not is_so:
        raise ValueError(rule)


def demand_text(value: object) -> None:
    """Raise ValueError unless the value is a text."""
    demand(type(value) is str, "a text is a text")


def demand_number(value: object, maximum: int = NUMBER_MAX) -> None:
    """Raise ValueError unless the value is a whole number from 0 to the maximum."""
    is_number = type(value) is int and 0 <= value <= maximum
    demand(is_number, f"a number is whole, from 0 to {maximum}")


def demand_bytes(value: object, count: int) -> None:
    """Raise ValueError unless the value is this many bytes."""
    demand(type(value) is bytes and len(value) == count, f"it is {count} bytes")


def list_of(value: object, count: int) -> list[Any]:
    """Return the value if it is a list of this many; else raise ValueError."""
    if isinstance(value, list) and len(value) == count:
        return value
    message = f"it is a list of {count}"
    raise ValueError(message)


def map_of(value: object) -> dict[Any, Any]:
    """Return the value if it is a map; else raise ValueError."""
    if isinstance(value, dict):
        return value
    message = "it is a map"
    raise ValueError(message)


def one_of(kind: type[E], value: object) -> E:
    """Return the member with this value; else raise ValueError, without repeating the value."""
    for member in kind:
        if value == member.value:
            return member
    message = f"no {kind.__name__} is called so"
    raise ValueError(message)
