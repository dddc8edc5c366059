"""Builds the simulator and runs it until it is told to stop. READ FIRST."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from tallymark_institution.journal import Journal
from tallymark_institution.ledger import ForgetfulJournal, Ledger
from tallymark_institution.services.simulated_institution import SimulatedInstitution
from tallymark_institution.serving import GRACE_SECONDS, CannotListen, served, until_signal

__all__ = ["SLOW_SECONDS", "CannotListen", "Clock", "Options", "run", "serving"]

SLOW_SECONDS: Final = 8.0
"""Longer than a terminal waits for ResolveCode (5 s), shorter than the server's limit (30 s)."""

_TOKEN_KEY_BYTES: Final = 32


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """Time of day in seconds since 1970, and waiting. Tests have one of their own."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What one simulator is told to do."""

    listen: str
    """HOST:PORT; port 0 takes a free one."""
    data: Path | None = None
    """Journal file, or None to forget everything on exit."""
    slow_seconds: float = SLOW_SECONDS
    keeps_marks: bool = True
    """False breaks the contract: what is reversed before it arrives is approved after it."""
    tell: Callable[[str], object] | None = None
    """Takes a line for each thing that happens."""


async def run(options: Options, *, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotListen and JournalUnusable."""
    await until_signal(serving(options), ready_file=ready_file, tell=options.tell or _tell_nobody)


@contextlib.asynccontextmanager
async def serving(
    options: Options, *, clock: Clock | None = None, grace_seconds: float = GRACE_SECONDS
) -> AsyncIterator[int]:
    """Serve inside the block, which gets the port. Raises CannotListen and JournalUnusable."""
    clock = clock or Clock()
    token_key = secrets.token_bytes(_TOKEN_KEY_BYTES)
    ledger = Ledger(ForgetfulJournal())
    async with contextlib.AsyncExitStack() as cleanup:
        if options.data is not None:
            journal = await asyncio.to_thread(Journal.open, options.data, new_token_key=token_key)
            cleanup.push_async_callback(asyncio.to_thread, journal.close)
            token_key = journal.token_key
            ledger = Ledger(journal, journal.authorisations)
        institution = SimulatedInstitution(
            ledger=ledger,
            token_key=token_key,
            slow_seconds=options.slow_seconds,
            now=clock.now,
            sleep=clock.sleep,
            tell=options.tell or _tell_nobody,
            keeps_marks=options.keeps_marks,
        )
        yield await cleanup.enter_async_context(
            served(institution, listen=options.listen, grace_seconds=grace_seconds)
        )


def _tell_nobody(line: str) -> None:
    """Take a line and forget it."""
