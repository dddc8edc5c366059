"""Hashing off the event loop, a bounded number at a time, so that sign-ins never starve payments.

Whoever wants to hash first gets a `Turn`. A turn that is not to be had soon is refused, and nothing
was hashed then. So the memory for hashing is at most THREADS times that of the largest profile in
use (20 MB with OWASP's), and work whose caller has given up is never begun.
"""

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tallymark_server.passwords.profiles import PasswordProfile
from tallymark_server.passwords.rules import normalised

__all__ = ["Checked", "Passwords", "Turn", "Work"]

THREADS: Final = 1
"""One of two cores stays free for everything else."""

WAITING_MAX: Final = 20
"""Callers that may wait for a turn, about two seconds of turns with OWASP's profile."""

WAITING_EACH_MAX: Final = 4
"""Of them for one customer, who may ask ten times a second; the other places are for others."""

WAIT_SECONDS_MAX: Final = 2.0
"""How long a caller waits for a turn; a person who signs in would not wait much longer."""

RETRY_AFTER_SECONDS: Final = 1.0

REST: Final = 2.0
"""How long a turn's place rests after it, as a multiple of the turn.

So a flood of sign-ins takes a third of one core, and half a dozen trips through the lane a second.
A person who signs in while nobody else does waits for nothing.
"""

REST_SECONDS_MAX: Final = 0.2
"""No place rests longer: where other work holds the cores, a turn takes long by itself."""

NICENESS: Final = 10
"""How far the threads step back behind everything else that wants a core (nice(1), up to 19)."""

T = TypeVar("T")


class Checked(NamedTuple):
    """What came of a password; a new hash if the stored one was made with another profile."""

    is_right: bool
    new_hash: str = ""


@dataclass(slots=True)
class Work:
    """What was done since the start, for whoever watches the load."""

    hashed: int = 0
    checked: int = 0
    turned_away: int = 0
    waiting_most: int = 0


class Passwords:
    """Gives turns for hashing."""

    def __init__(self, profile: PasswordProfile) -> None:
        """Start the threads; `close` ends them."""
        self.hasher = PasswordHasher(
            time_cost=profile.time_cost,
            memory_cost=profile.memory_kibibytes,
            parallelism=profile.parallelism,
        )
        self.work = Work()
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="password", initializer=_step_back
        )
        self._turns = asyncio.Semaphore(THREADS)
        self._waiting: Counter[str] = Counter()

    def demand_room(self) -> None:
        """Send a caller away at once whose turn could not come soon, before its call costs more.

        Raises:
            NotDone: OVERLOADED, because too many wait already.

        """
        if self._waiting.total() >= WAITING_MAX:
            raise self._turn_away()

    @asynccontextmanager
    async def turn(self, customer_id: str = "") -> AsyncIterator["Turn"]:
        """Wait for a turn, which lasts as long as the context; no id is that of nobody known.

        Raises:
            NotDone: OVERLOADED, because too many wait already, or this caller waited too long.

        """
        await self._wait(customer_id)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        try:
            yield Turn(self)
        finally:
            rest_seconds = min(REST * (loop.time() - began_at), REST_SECONDS_MAX)
            loop.call_later(rest_seconds, self._turns.release)

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises `NotDone` as `turn` does."""
        async with self.turn() as turn:
            return await turn.hash(password)

    async def run(self, function: Callable[..., T], *texts: str) -> T:
        """Run a function of a turn on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *texts)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def _wait(self, customer_id: str) -> None:
        has_enough = customer_id and self._waiting[customer_id] >= WAITING_EACH_MAX
        if has_enough or self._waiting.total() >= WAITING_MAX:
            raise self._turn_away()
        self._waiting[customer_id] += 1
        self.work.waiting_most = max(self.work.waiting_most, self._waiting.total())
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await self._turns.acquire()
        except TimeoutError:
            raise self._turn_away() from None
        finally:
            self._waiting -= Counter((customer_id,))  # which drops the names of those at zero

    def _turn_away(self) -> NotDone:
        self.work.turned_away += 1
        return NotDone(Reason.OVERLOADED, retry_after_seconds=RETRY_AFTER_SECONDS)


class Turn:
    """A caller's turn to hash; `Passwords.turn` gives it."""

    def __init__(self, passwords: Passwords) -> None:
        """Belong to the threads of `passwords`."""
        self._passwords = passwords

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        self._passwords.work.hashed += 1
        return await self._passwords.run(self._hash, password)

    async def check(self, stored: str, password: str) -> Checked:
        """Compare with a stored hash."""
        self._passwords.work.checked += 1
        return await self._passwords.run(self._check, stored, password)

    def _hash(self, password: str) -> str:
        return self._passwords.hasher.hash(normalised(password))

    def _check(self, stored: str, password: str) -> Checked:
        hasher = self._passwords.hasher
        try:
            hasher.verify(stored, normalised(password))
        except VerificationError:
            return Checked(is_right=False)
        if hasher.check_needs_rehash(stored):
            return Checked(is_right=True, new_hash=hasher.hash(normalised(password)))
        return Checked(is_right=True)


def _step_back() -> None:
    """Give this thread, and the lanes that Argon2 starts from it, a lower priority.

    Only Linux has one for each thread.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
