"""Passwords: Argon2id (RFC 9106), off the event loop, so that sign-ins never starve payments."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason

__all__ = ["CHARACTERS_MIN", "OWASP", "UNSAFE_FAST_FOR_TESTS", "PasswordProfile", "Passwords"]

CHARACTERS_MIN: Final = 8
"""NIST SP 800-63B-4: at least 8 for a password beside another factor (here the device)."""

THREADS: Final = 1
"""One of two cores stays free for everything else."""

WAITING_MAX: Final = 20
"""Hashes that may wait, about one second of work (55 ms each, measured).

Beyond them callers come back later.
"""

RETRY_AFTER_SECONDS: Final = 1.0

T = TypeVar("T")


class PasswordProfile(NamedTuple):
    """Parameters of Argon2id: passes, memory in KiB, lanes."""

    time_cost: int
    memory_kibibytes: int
    parallelism: int


OWASP = PasswordProfile(time_cost=2, memory_kibibytes=19 * 1024, parallelism=1)
"""OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane."""

UNSAFE_FAST_FOR_TESTS = PasswordProfile(time_cost=1, memory_kibibytes=8, parallelism=1)
"""Guessed in no time: for tests only."""


class Passwords:
    """Hashes and checks passwords, a bounded number at a time."""

    def __init__(self, profile: PasswordProfile) -> None:
        """Start the threads; `close` ends them."""
        self._hasher = PasswordHasher(
            time_cost=profile.time_cost,
            memory_cost=profile.memory_kibibytes,
            parallelism=profile.parallelism,
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0
        self._nobody = self._hasher.hash("the password of nobody")

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises `NotDone` when too many wait."""
        return await self._run(self._hasher.hash, password)

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Compare with a stored hash; None takes the same time and is always wrong.

        Raises:
            NotDone: too many hashes wait already.

        """
        is_right = await self._run(self._verify, stored or self._nobody, password)
        return is_right and stored is not None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerificationError:
            return False

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= WAITING_MAX:
            raise NotDone(Reason.OVERLOADED, retry_after_seconds=RETRY_AFTER_SECONDS)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1
