"""What the terminal sees to between two customers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tallymark_protocol.witness import NewestWitness
from tallymark_terminal.checkpoint_book import CheckpointBook
from tallymark_terminal.checkpoint_records import CheckpointRecords
from tallymark_terminal.code_check import KEYS_AGE_SECONDS_MAX, CodeCheck
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.upkeep import UPKEEP_EVERY_SECONDS, Upkeep
from tests.doubles.terminal_access import LIFE_SECONDS

from .rig import Rig


class Chores:
    """The upkeep of the rig's terminal."""

    def __init__(self, rig: Rig, file: JournalFile) -> None:
        self.rig = rig
        self.records = CheckpointRecords(file)
        self.clock = ServerClock(steady=rig.time.steady)
        self.book = CheckpointBook(
            records=self.records,
            clock=self.clock,
            witness=NewestWitness(),
            warn=rig.warnings.append,
        )
        self.check = CodeCheck(
            terminal_id="till-1",
            clock=self.clock,
            fetch_keys=rig.server.list_verification_keys,
            find_earlier_use=rig.journal.find_earlier_use,
            sleep=rig.time.sleep,
        )
        self.done = asyncio.Event()
        self.upkeep = Upkeep(
            check=self.check, renewal=rig.renewal, checkpoints=self.book, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        """Let the time pass, and wait for ever once the certificate was renewed."""
        if self.rig.double.requests("RenewCertificate"):
            self.done.set()
            await asyncio.Event().wait()
        await self.rig.time.sleep(seconds)


@pytest.fixture
async def chores(rig: Rig) -> AsyncIterator[Chores]:
    with contextlib.closing(JournalFile(rig.folder / "chores.sqlite3")) as file:
        yield Chores(rig, file)


async def test_keys_are_never_so_old_that_a_scan_would_have_to_wait(chores: Chores) -> None:
    await chores.upkeep.start()

    for _ in range(100):
        await chores.rig.time.sleep(UPKEEP_EVERY_SECONDS)
        await chores.upkeep.look_after()
        before = len(chores.rig.double.requests("ListVerificationKeys"))
        await chores.check.keys()
        assert len(chores.rig.double.requests("ListVerificationKeys")) == before

    reads = len(chores.rig.double.requests("ListVerificationKeys"))
    assert reads < 3 * 100 * UPKEEP_EVERY_SECONDS / KEYS_AGE_SECONDS_MAX


async def test_start_renews_what_is_due(chores: Chores) -> None:
    chores.rig.time.seconds += LIFE_SECONDS / 2

    await chores.upkeep.start()

    assert len(chores.rig.double.requests("RenewCertificate")) == 1


async def test_server_that_is_away_for_a_while_troubles_nobody(chores: Chores) -> None:
    await chores.upkeep.start()
    chores.rig.double.lost_requests["ListVerificationKeys"] = 3
    for _ in range(12):
        await chores.rig.time.sleep(UPKEEP_EVERY_SECONDS)
        await chores.upkeep.look_after()

    assert not chores.rig.double.lost_requests["ListVerificationKeys"]
    assert not chores.rig.warnings


async def test_what_was_heard_is_written_down(chores: Chores) -> None:
    await chores.upkeep.start()
    heard = str(chores.rig.double.journal.grow())
    chores.book.hear(heard)

    await chores.upkeep.look_after()

    assert [str(one.checkpoint) for one in await chores.records.all()] == [heard]


async def test_certificate_is_renewed_while_nobody_scans(chores: Chores) -> None:
    await chores.upkeep.start()
    chores.rig.time.seconds += LIFE_SECONDS / 2 - 10 * UPKEEP_EVERY_SECONDS

    async with chores.upkeep.in_background():
        await chores.done.wait()

    assert len(chores.rig.double.requests("RenewCertificate")) == 1
    assert not chores.rig.warnings


async def test_fault_in_a_chore_is_not_swallowed(
    chores: Chores, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise RuntimeError

    monkeypatch.setattr(chores.upkeep, "look_after", fail)

    async def scan() -> None:
        async with chores.upkeep.in_background():
            await failed.wait()
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError):
        await scan()
