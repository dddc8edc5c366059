"""A thief with a camera, again and again, against each level of the ladder.

Ana stands at the honest till and shows a code, to pay 9.00. The till scans it after a while that
differs from run to run, executes at once and reports a second later. A camera copies the code as
soon as it is shown; `delay` seconds after that a colluding terminal, honestly enrolled by another
merchant and with its own valid certificate, presents it for 9.00 and executes at once. In half of
the runs the honest till is halted, as with a jammer: only the thief is left.

What is counted: money that moved to the thief without Ana's consent, and sales of the honest till
(in runs in which it was not halted) that did not come about with the first code.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import process_pb2 as p
from tallymark.v1 import terminal_service_pb2 as t
from tallymark_protocol.errors import Refused
from tests.world.actions import charge
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["DELAYS_SECONDS", "Ground", "Level", "Toll", "attack"]

DELAYS_SECONDS = (0.0, 0.5, 1.0, 3.0, 10.0, 60.0)

AMOUNT = 900
HONEST, THIEVES = "cafe", "hall"

SCAN_SECONDS = (0.5, 5.0)
"""When the honest till scans, after the code was shown."""

REPORT_SECONDS = 1.0
"""How long the honest till takes from its instruction to its report."""


class Level(StrEnum):
    """Levels of the ladder."""

    BEARER = "L0 bearer code"
    CONFIRMED = "L1 claim and signed confirmation"
    BOUND = "L2 bound to the terminal"


class Toll(NamedTuple):
    """What an attack cost."""

    runs: int
    stolen: int
    honest_runs: int
    honest_failures: int


class Ground:
    """Ana, the honest till, and the thief's terminal."""

    def __init__(self, world: World, ana: Phone, till: Terminal, colluding: Terminal) -> None:
        self.world = world
        self.ana = ana
        self.till = till
        self.colluding = colluding

    @classmethod
    async def prepare(cls, world: World, level: Level) -> "Ground":
        """Set the policy of the level, without caps, so that the level alone counts."""
        wide = 1_000_000_000
        await world.operator.set_policy(
            confirm_money_from=0 if level is Level.CONFIRMED else wide,
            unconfirmed_count_max=10_000,
            unconfirmed_sum_max=wide,
            new_terminal_count_max=1_000_000,
            new_terminal_sum_max=wide,
        )
        if level is Level.BOUND:
            await world.operator.set_policy(bind_money_from=0)
        ana = await world.add_phone()
        await ana.add_card()
        till = await world.add_terminal("till-1", HONEST)
        return cls(world, ana, till, await world.add_terminal("rogue-1", THIEVES))

    async def code(self, level: Level) -> str:
        """Return the code that Ana shows."""
        if level is not Level.BOUND:
            return await self.ana.issue()
        tag = (await self.till.call("GetTag", t.GetTagRequest())).tag
        return await self.ana.issue(terminal_tag=tag)


async def attack(
    ground: Ground, level: Level, delay_seconds: float, *, runs: int, random: Random
) -> Toll:
    """Attack so often, every other time with the honest till halted."""
    stolen = honest_runs = failures = 0
    for number in range(runs):
        is_halted = number % 2 == 1
        run = _Run(ground, await ground.code(level))
        events: list[tuple[float, Callable[[], Awaitable[None]]]] = [(delay_seconds, run.steal)]
        if not is_halted:
            scanned_at = random.uniform(*SCAN_SECONDS)
            events += [(scanned_at, run.scan), (scanned_at + REPORT_SECONDS, run.report)]
        now = 0.0
        for at, step in sorted(events, key=lambda event: event[0]):
            ground.world.clock.move(seconds=at - now)
            now = at
            await step()
        await ground.world.settle()
        stolen += await run.is_stolen()
        honest_runs += not is_halted
        failures += not is_halted and not run.is_sold
        await ground.world.pass_time(seconds=300)
    return Toll(runs, stolen, honest_runs, failures)


class _Run:
    """One code, and what becomes of it."""

    def __init__(self, ground: Ground, code: str) -> None:
        self._ground = ground
        self._code = code
        self._sale: Any = None
        self._theft: Any = None
        self.is_sold = False

    async def scan(self) -> None:
        self._sale = await self._present(self._ground.till)

    async def report(self) -> None:
        self.is_sold = await self._complete(self._ground.till, self._sale)

    async def steal(self) -> None:
        self._theft = await self._present(self._ground.colluding)
        await self._complete(self._ground.colluding, self._theft)

    async def is_stolen(self) -> bool:
        """Say whether the thief has the money."""
        if self._theft is None:
            return False
        process = await self._ground.colluding.get(self._theft.process_id)
        return bool(
            process.state == p.PROCESS_STATE_COMPLETED
            and process.actions[0].settlement == a.SETTLEMENT_SETTLED
        )

    async def _present(self, terminal: Terminal) -> Any:
        """Show the code to a terminal; Ana answers, if she is asked, as what she sees tells her."""
        try:
            process = await terminal.resolve(self._code, charge(AMOUNT), wait_milliseconds=1)
        except Refused:
            return None
        if process.state == p.PROCESS_STATE_AWAITING_CUSTOMER:
            await self._answer()
        await self._ground.world.settle()
        return await terminal.get(process.process_id)

    async def _answer(self) -> None:
        """Look at the newest process, and agree to what the honest till was to do."""
        request = c.ListProcessesRequest(page_size=1)
        shown = (await self._ground.ana.call("ListProcesses", request)).processes[0]
        amount = shown.card_total.minor_units
        is_right = shown.merchant_id == HONEST and amount == AMOUNT
        answer = c.ConfirmProcessRequest(
            request_id=new_id(),
            process_id=shown.process_id,
            decision=c.DECISION_APPROVE if is_right else c.DECISION_DECLINE,
            signature=self._ground.ana.signature(shown, approve=is_right),
        )
        await self._ground.ana.call("ConfirmProcess", answer)

    async def _complete(self, terminal: Terminal, process: Any) -> bool:
        if process is None or process.state != p.PROCESS_STATE_INSTRUCTED:
            return False
        try:
            await terminal.complete(process.process_id)
        except Refused:
            return False
        return True
