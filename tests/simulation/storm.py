"""What happens to machines and lines while the shop is open: by chance, until it is calm."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.simulation.institution_machine import INSTITUTION
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.server_machine import SERVER, ServerMachine
from tests.simulation.terminal_machine import TerminalMachine

__all__ = ["Storm"]

SMALL_STEP_SECONDS: Final = 4.0
"""Below what the server takes for a moved clock."""


HELD_SECONDS: Final = (125.0, 160.0)
"""Longer than the server waits for an authorisation; see AUTHORISE_HARD_SECONDS."""


class Storm:
    """Crashes machines, cuts lines and moves clocks, as often as this run wants it."""

    def __init__(
        self,
        network: Network,
        server: ServerMachine,
        terminals: Sequence[TerminalMachine],
        *,
        chance: Random,
        notes: Notes,
    ) -> None:
        """Take what there is to break."""
        self._network = network
        self._server = server
        self._terminals = terminals
        self._chance = chance
        self._notes = notes
        self._every_seconds = chance.choice((8.0, 20.0, 60.0))

    async def rage(self, seconds: float) -> None:
        """Break something every now and then for so long."""
        loop = self._network.loop
        until = loop.time() + seconds
        while (wait := self._chance.expovariate(1 / self._every_seconds)) < until - loop.time():
            await asyncio.sleep(wait)
            self._chance.choice(
                (
                    self._crash_server_at_any_await,
                    self._crash_server_at_a_commit,
                    self._crash_server_before_a_call,
                    self._crash_terminal,
                    self._crash_terminal,
                    self._cut,
                    self._cut,
                    self._deafen,
                    self._deafen,
                    self._hold_authorisations,
                    self._hold_scans,
                    self._cut_off_after_sale,
                    self._step_clock,
                )
            )()

    def _crash_server_at_any_await(self) -> None:
        life = self._server.life
        if life is not None and self._server.serving.is_set():
            life.turns_max = life.turns + self._chance.randrange(1, 60)
            life.at_end.append(lambda: self._notes.reach("server crashed at an await", SERVER))

    def _crash_server_at_a_commit(self) -> None:
        self._server.crash_at_commit = self._chance.choice(("before", "after"))

    def _crash_server_before_a_call(self) -> None:
        self._server.crash_before_call = True

    def _crash_terminal(self) -> None:
        terminal = self._chance.choice(self._terminals)
        life = terminal.life
        if life is not None and not life.is_over:
            life.turns_max = life.turns + self._chance.randrange(1, 25)

    def _cut(self) -> None:
        """Cut the line between two machines for a while."""
        ends = [terminal.name for terminal in self._terminals]
        end = self._chance.choice([*ends, INSTITUTION, INSTITUTION])
        self._cut_line(end, self._chance.choice((3.0, 20.0, 90.0, 400.0)) * self._chance.random())

    def _cut_line(self, end: str, seconds: float) -> None:
        pair = frozenset((SERVER, end))
        self._notes.reach(f"line cut to {'the institution' if end == INSTITUTION else 'a till'}")
        self._network.weather.cut.add(pair)
        self._network.later(seconds, self._network.weather.cut.discard, pair)

    def _deafen(self) -> None:
        """Let no answer get back to a till, or from the institution, for a while."""
        end = self._chance.choice([*(terminal.name for terminal in self._terminals), INSTITUTION])
        pair = (SERVER, end) if end == INSTITUTION else (end, SERVER)
        seconds = self._chance.choice((3.0, 20.0, 90.0)) * self._chance.random()
        self._notes.reach("line without a way back", end)
        self._network.weather.deaf.add(pair)
        self._network.later(seconds, self._network.weather.deaf.discard, pair)

    def _hold_authorisations(self) -> None:
        """Let every question for a card wait until its process has been given up."""
        until = self._network.loop.time() + self._chance.uniform(*HELD_SECONDS)
        self._network.weather.held[SERVER, "Authorize"] = until
        self._notes.reach("authorisations held on their way", INSTITUTION)

    def _hold_scans(self) -> None:
        """Let the scans of a till arrive when it has given them up, if it has little patience."""
        terminal = self._chance.choice(self._terminals)
        until = self._network.loop.time() + self._chance.uniform(20.0, 40.0)
        self._network.weather.held[terminal.name, "ResolveCode"] = until

    def _cut_off_after_sale(self) -> None:
        """Cut a till off when it has handed out goods, until their time is over."""
        terminal = self._chance.choice(self._terminals)
        terminal.when_executed = lambda: self._cut_line(
            terminal.name, self._chance.uniform(65.0, 150.0)
        )

    def _step_clock(self) -> None:
        """Move the clock of a terminal by days, of the server by seconds or by more."""
        if self._chance.random() < 0.5:
            clock, bound = self._chance.choice(self._terminals).clock, 3e6
            self._notes.reach("clock of a terminal moved")
        else:
            clock, bound = self._server.clock, self._chance.choice((SMALL_STEP_SECONDS, 300.0))
            self._notes.reach("clock of the server moved")
        clock.ahead_seconds += self._chance.uniform(-bound, bound)
