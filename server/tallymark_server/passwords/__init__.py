"""Passwords: how they are hashed, how many at a time, and which ones nobody may choose."""

from tallymark_server.passwords.hashing import Checked, Passwords, Turn
from tallymark_server.passwords.profiles import (
    OWASP,
    PROFILES,
    RFC_9106,
    UNSAFE_FAST_FOR_TESTS,
    PasswordProfile,
)
from tallymark_server.passwords.rules import check_new, normalised

__all__ = [
    "OWASP",
    "PROFILES",
    "RFC_9106",
    "UNSAFE_FAST_FOR_TESTS",
    "Checked",
    "PasswordProfile",
    "Passwords",
    "Turn",
    "check_new",
    "normalised",
]
