"""Plays one seed: an open shop in a storm, then calm until everything has come to rest."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tallymark_server.domain.model.processes import Due, Unresolved
from tests.simulation.institution_machine import InstitutionMachine
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.patches import look_seldom, patched
from tests.simulation.people import CustomerMachine, Operator
from tests.simulation.prepared import RAM, Prepared
from tests.simulation.reckoning import Reckoning
from tests.simulation.rogue import Rogue
from tests.simulation.server_machine import MachineClock, ServerMachine
from tests.simulation.storm import Storm
from tests.simulation.story import Story
from tests.simulation.terminal_machine import TerminalMachine
from tests.simulation.truth import Truth
from tests.simulation.virtual_loop import Life, NothingLeft, VirtualLoop
from tests.simulation.weather import Weather, stormy

__all__ = ["Played", "play"]

OPEN_SECONDS: Final = (40.0, 240.0)
"""How long the shop is open, and the storm lasts."""

VISITS: Final = (6, 22)

REST_SECONDS_MAX: Final = 72 * 3600.0
"""Until then everything has come to rest."""

CALM_SECONDS: Final = 200.0
"""Customers stay so long after the storm: to the end of every question that they were asked."""

LOOK_SECONDS: Final = 60.0

OPERATOR_SECONDS: Final = 900.0
"""When the operator looks at what is left: later than any terminal that was cut off."""


class Played(NamedTuple):
    """What came of a seed."""

    seed: int
    violation: str
    """Which promise was broken; empty if none was."""

    trace_hash: str
    reached: Counter[str]
    trace: list[str]
    """The last lines, or all."""

    virtual_seconds: float
    turns: int
    commits: int
    answers: int


def play(seed: int, world: Prepared, *, keep_trace: bool = False) -> Played:
    """Play a seed. The same seed over the same code does the same, to the last line."""
    folder_parent = RAM if RAM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="tallymark-run-", dir=folder_parent) as name:
        town = Town(seed, world, Path(name), keep_trace=keep_trace)
        with patched(town.network):
            return town.play()


class Town:
    """All machines and people of one run."""

    def __init__(self, seed: int, world: Prepared, folder: Path, *, keep_trace: bool) -> None:
        """Build it; nothing happens yet."""
        self.seed = seed
        self.chance = Random(seed)  # noqa: S311 -- repeatable is what it is for
        chance, loop = self.chance, VirtualLoop()
        self.loop = loop
        self.notes = Notes(loop.time, keep_all=keep_trace)
        self.truth = Truth(self.notes, loop.stop)
        self.network = Network(loop, chance, stormy(chance), self.notes)
        self.network.credentials = world.credentials
        self.network.hear = self.truth.heard
        self.institution = InstitutionMachine(
            self.network, clock=MachineClock(loop), chance=chance, notes=self.notes
        )
        self.server = ServerMachine(
            self.network,
            path=world.copy(folder),
            secrets=world.secrets,
            chance=chance,
            notes=self.notes,
        )
        self.server.committed = self.truth.committed
        self.server.opened = self.truth.opened
        self.server.failed = self.truth.broken
        names = ["till-1", "till-2", "gate-1", "gate-2"]
        self.terminals = [
            TerminalMachine(
                self.network,
                terminal_name,
                journal_path=folder / f"{terminal_name}.sqlite3",
                chance=chance,
                notes=self.notes,
                executed=self.truth.hand_out,
            )
            for terminal_name in names[: chance.randrange(2, 5)]
        ]
        self.customers = [
            CustomerMachine(self.network, owner, chance=chance, notes=self.notes)
            for owner in world.owners[: chance.randrange(2, 4)]
        ]
        self.operator = Operator(
            self.network,
            was_executed=lambda process_id: process_id in self.truth.executed,
            notes=self.notes,
        )

    def play(self) -> Played:
        """Play it to its end, or to the first broken promise."""
        try:
            self.loop.run_until_complete(self._day())
        except NothingLeft as stuck:
            self.truth.broken(str(stuck))
        except RuntimeError:  # the loop was stopped
            if not self.truth.violation:
                raise
        finally:
            turns = self.loop.turns
            seconds = self.loop.time()
            self.server.stop_for_good()
            for terminal in self.terminals:
                terminal.stop_for_good()
            self.loop.close()
        return Played(
            seed=self.seed,
            violation=self.truth.violation,
            trace_hash=self.notes.trace_hash,
            reached=self.notes.reached,
            trace=list(self.notes.lines),
            virtual_seconds=seconds,
            turns=turns,
            commits=self.truth.commits,
            answers=self.truth.answers,
        )

    async def _day(self) -> None:
        chance, notes = self.chance, self.notes
        story = Story(self.customers, self.terminals, chance=chance, notes=notes)
        rogue = Rogue(self.network, story.codes, chance=chance, notes=notes)
        storm = Storm(self.network, self.server, self.terminals, chance=chance, notes=notes)
        self.server.start()
        for terminal in self.terminals:
            terminal.start()
        for customer in self.customers:
            customer.start()
        self.loop.start(rogue.life, rogue.roam())
        town = Life("town")
        seconds = chance.uniform(*OPEN_SECONDS)
        visits = self.loop.start(town, story.play(chance.randrange(*VISITS), seconds))
        await storm.rage(seconds)
        await visits
        self._calm_down()
        await asyncio.sleep(CALM_SECONDS)
        rogue.life.end()
        for customer in self.customers:
            customer.leave()
        await self._rest()
        await Reckoning(
            self.truth, self.institution, self.terminals, self.operator, self.customers
        ).settle(self.loop.time())

    def _calm_down(self) -> None:
        """Let everything get through from now on, but for what is being held."""
        self.network.weather = Weather(held=self.network.weather.held)
        self.institution.service.fails_after = 0.0
        self.server.crash_at_commit = ""
        self.server.crash_before_call = False
        look_seldom()
        self.notes.write("simulation", "calm")

    async def _rest(self) -> None:
        """Wait until nothing is open any more; the operator settles what waits for a person."""
        began = self.loop.time()
        while not await self._is_at_rest():
            if self.loop.time() > began + REST_SECONDS_MAX:
                self.truth.broken("G7: something is still open after three days")
            await asyncio.sleep(LOOK_SECONDS)
            if self.loop.time() > began + OPERATOR_SECONDS:
                await self.loop.start(self.operator.life, self.operator.settle_all())

    async def _is_at_rest(self) -> bool:
        if self.truth.has(Due) or self.truth.has(Unresolved):
            return False
        for terminal in self.terminals:
            if terminal.jobs or any(sale.ended_at is None for sale in await terminal.sales()):
                return False
        return True
