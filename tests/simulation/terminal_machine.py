"""A terminal: the program's own sale, journal and recovery, at a till of the run."""

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from tallymark_protocol.errors import TallymarkError
from tallymark_terminal.actions import SaleRequest
from tallymark_terminal.code_check import CodeCheck, RefusedHere
from tallymark_terminal.journal import Journal, Sale
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.json_view import actions_text
from tallymark_terminal.processes import Process
from tallymark_terminal.recovery import Recovery
from tallymark_terminal.repeating import Repeater
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale import SaleLoop
from tallymark_terminal.sale_results import Outcome, SaleResult
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection
from tallymark_terminal.settling import Settling
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.server_machine import SERVER, MachineClock
from tests.simulation.virtual_loop import Life

__all__ = ["Job", "TerminalMachine"]

RESTART_SECONDS: Final = (1.0, 60.0)
RECOVER_EVERY_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = (8.0, 30.0)
"""How long a call is repeated; its own default, and what a shop in a hurry might set."""

JAMMED: Final = 0.04
"""How often the goods cannot be handed out after all."""


class Job(NamedTuple):
    """A customer before the scanner, with a code, and what the cashier asks for."""

    code: str
    request: SaleRequest


class TerminalMachine:
    """Runs the terminal again and again over one journal. One sale is made at a time."""

    def __init__(  # noqa: PLR0913 -- what surrounds a terminal
        self,
        network: Network,
        name: str,
        *,
        journal_path: Path,
        chance: Random,
        notes: Notes,
        executed: Callable[[str, Process], None],
    ) -> None:
        """Take where it stands, its journal, and who notices that goods are handed out."""
        self.name = name
        self.clock = MachineClock(network.loop)
        self.life: Life | None = None
        self.jobs: deque[Job] = deque()
        self.results: list[SaleResult] = []
        self.is_closed = False
        """Whether the shop has closed, so that only old sales are settled."""

        self.when_executed: Callable[[], None] = _nothing
        """Is called once, when goods are handed out."""

        self._network = network
        self._journal_path = journal_path
        self._chance = chance
        self._notes = notes
        self._executed = executed
        self._patience_seconds = chance.choice(PATIENCE_SECONDS)
        self._news = asyncio.Event()

    def start(self) -> None:
        """Start the program; after a crash it is started again."""
        life = Life(self.name)
        self.life = life
        life.at_end.append(self._start_again)
        self._network.loop.start(life, self._run(life))

    def crash(self) -> None:
        """Crash now, if it runs."""
        if self.life is not None:
            self.life.end()

    def stop_for_good(self) -> None:
        """End, and never start again."""
        if self.life is not None and not self.life.is_over:
            self.life.at_end.remove(self._start_again)
            self.life.end()

    def scan(self, job: Job) -> None:
        """Show a code to the scanner; it waits until the customers before are served."""
        self.jobs.append(job)
        self._news.set()

    async def sales(self) -> list[Sale]:
        """Return all sales as the journal has them."""
        file = JournalFile(self._journal_path)
        try:
            return await Journal(file).latest(10_000)
        finally:
            file.close()

    # What the program tells its cashier.

    def waiting(self, process: Process) -> None:
        """See that the process is not decided."""
        self._notes.write(self.name, f"waits, {process.state.value}")

    def no_answer(self, doing: str) -> None:
        """See that no answer came."""
        self._notes.write(self.name, f"no answer while {doing}")

    async def execute(self, process: Process) -> bool:
        """Hand out the goods, or open the gate."""
        await asyncio.sleep(self._chance.uniform(0.05, 1.0))
        if self._chance.random() < JAMMED:
            self._notes.reach("goods could not be handed out", self.name)
            return False
        self._executed(self.name, process)
        self.when_executed()
        self.when_executed = _nothing
        await asyncio.sleep(self._chance.uniform(0.05, 1.0))
        return True

    def _start_again(self) -> None:
        self._notes.reach("terminal crashed", self.name)
        self._network.later(self._chance.uniform(*RESTART_SECONDS), self.start)

    async def _run(self, life: Life) -> None:
        file = JournalFile(self._journal_path)
        life.at_end.append(file.close)
        journal, clock = Journal(file), ServerClock(steady=self._network.loop.time)
        server = ServerConnection(
            SERVER, ca_certificates_pem="", identity=None, steady=self._network.loop.time
        )
        check = CodeCheck(
            terminal_id=self.name,
            clock=clock,
            fetch_keys=server.list_verification_keys,
            find_earlier_use=journal.find_earlier_use,
            sleep=asyncio.sleep,
        )
        shared: dict[str, Any] = {
            "server": server,
            "journal": journal,
            "clock": clock,
            "repeater": Repeater(
                steady=self._network.loop.time,
                sleep=asyncio.sleep,
                progress=self,
                patience_seconds=self._patience_seconds,
            ),
            "progress": self,
            "request_ids": RequestIds(
                wall_clock=self.clock.now_seconds, random_bits=self._chance.getrandbits
            ),
            "sleep": asyncio.sleep,
        }
        settling = Settling(**shared)
        loop = SaleLoop(**shared, settling=settling, execute=self.execute)
        recovery = Recovery(journal=journal, clock=clock, sale_loop=loop, settling=settling)
        await self._read_keys(check)
        if await recovery.unsettled():
            self._notes.reach("terminal found open sales after a crash", self.name)
        while True:
            for sale in await recovery.unsettled():
                self._end(await recovery.resume(sale), is_recovered=True)
            await self._next()
            if self.jobs:
                await self._sell(self.jobs.popleft(), check, loop)

    async def _read_keys(self, check: CodeCheck) -> None:
        """Read the keys, however long the server does not answer."""
        while True:
            try:
                await check.keys(age_seconds_max=0)
            except TallymarkError:
                await asyncio.sleep(5.0)
            else:
                return

    async def _next(self) -> None:
        """Wait for a customer, and look at old sales every now and then."""
        if self.jobs:
            return
        self._news = asyncio.Event()
        try:
            async with asyncio.timeout(RECOVER_EVERY_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return

    async def _sell(self, job: Job, check: CodeCheck, loop: SaleLoop) -> None:
        code_name = self._notes.name("code", job.code)
        self._notes.write(self.name, f"scans {code_name} for {actions_text(job.request)}")
        try:
            code = await check.check(job.code)
        except RefusedHere as refused:
            self._notes.write(self.name, f"refuses {code_name} itself: {refused.reason}")
            return
        except TallymarkError:
            self._notes.write(self.name, f"cannot check {code_name}: no keys")
            return
        self._end(await loop.run(code, job.request, asked="[]"))

    def _end(self, result: SaleResult, *, is_recovered: bool = False) -> None:
        self.results.append(result)
        if is_recovered and result.outcome is Outcome.EXECUTED:
            self._notes.reach("sale completed by recovery", self.name)
        state = result.process.state.value if result.process else "no process"
        sale = self._notes.name("sale", result.request_id or "")
        self._notes.write(self.name, f"{sale}: {result.outcome.value} ({state}, {result.reason})")


def _nothing() -> None:
    """Do nothing."""
