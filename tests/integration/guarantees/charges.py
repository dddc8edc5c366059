"""A day of charges over an institution that misbehaves, on a server that is restarted often."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Self

from tallymark.v1 import operator_service_pb2 as operators
from tallymark.v1.credit_institution_service_pb2_grpc import CreditInstitutionServiceStub
from tallymark_institution.app import Clock, Options, serving
from tallymark_server.domain.model.processes import CALL, Due, Process, ProcessState
from tallymark_server.institution import open_institution_channel
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.doubles.unreliable_institution import Fault, UnreliableInstitution
from tests.integration.guarantees.charge_books import Books, broken_promises, read_books
from tests.world.actions import charge
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import START, MovedClock
from tests.world.operator import Operator
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.shop import open_shop
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["BATCH", "TIME_LIMIT_SECONDS", "DayOfCharges"]

BATCH: Final = 100
"""Charges made at about the same time."""

TIME_LIMIT_SECONDS: Final = 900
"""After this long nothing may be open."""

_STEP_SECONDS: Final = 10

_GIVEN_UP_TO_BE_REVERSED: Final = {
    Fault.REFUSES_REVERSALS,
    Fault.REFUSES_FOR_EVER,
    Fault.FORGETS_MARKS,
}
"""Faults that show only when somebody gives up."""


class DayOfCharges:
    """Sells, gives up, takes back and forgets to report; then waits, and compares the books."""

    def __init__(
        self,
        keyring: Keyring,
        database: Path,
        institution: UnreliableInstitution,
        stub: CreditInstitutionServiceStub,
        clock: MovedClock,
    ) -> None:
        self.institution = institution
        self.clock = clock
        self.starts = 0
        self._keyring = keyring
        self._database = database
        self._stub = stub
        self._random = random.Random(7)  # noqa: S311 -- repeatable is what it is for
        self._authority = new_authority(LONG_LIVES)
        self._serving = AsyncExitStack()
        self._world: World
        self._store: SqliteStore
        self._operator: Operator
        self._till: Terminal
        self._phones: list[Phone] = []

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, keyring: Keyring, database: Path, *, seed: int, share: float = 0.3
    ) -> AsyncIterator[Self]:
        """Start the institution and the server."""
        clock = MovedClock()
        wall = Clock(now=lambda: clock.now() / 1000)
        async with (
            serving(Options(listen="127.0.0.1:0"), clock=wall, grace_seconds=0) as port,
            open_institution_channel(f"127.0.0.1:{port}") as channel,
        ):
            institution = UnreliableInstitution(channel, clock=clock, seed=seed, share=share)
            stub = CreditInstitutionServiceStub(channel)
            day = cls(keyring, database, institution, stub, clock)
            await day._start()
            try:
                yield day
            finally:
                await day._stop()

    async def restart(self) -> None:
        """Cut the server off from whatever it waits for, and start another one on its database."""
        await self._stop()
        await self._start()

    async def play(self, charges: int) -> None:
        """Make so many charges, and let the time limit pass."""
        late: list[str] = []
        for first in range(0, charges, BATCH):
            last = min(first + BATCH, charges)
            made = [await self._sell(number) for number in range(first, last)]
            await self.restart()
            await self.pass_time(seconds=3)
            late += [process_id for process_id in made if not await self._finish(process_id)]
            await self.restart()
            await self.pass_time(seconds=_STEP_SECONDS)
        await self.pass_time(seconds=200)
        for process_id in late:
            await self._report_late(process_id)
        for seconds in range(0, TIME_LIMIT_SECONDS, _STEP_SECONDS):
            await self.pass_time(seconds=_STEP_SECONDS)
            if seconds % 300 == 0:
                await self.restart()
        await self.settle()

    async def pass_time(self, *, seconds: int) -> None:
        """Move the clock in small steps, and let everything happen that is due."""
        while seconds > 0:
            step = min(seconds, _STEP_SECONDS)
            self.clock.move(seconds=step)
            seconds -= step
            await self.institution.deliver()
            await self.settle()

    async def settle(self) -> None:
        """Let the server do all that is due, but for answers that are still on their way."""
        while await self._due():
            await self._world.app.completer.run_due()
            await asyncio.sleep(0.001)

    async def by_hand(self) -> list[operators.OpenQuestion]:
        """Return what waits for a person."""
        request = operators.ListUnresolvedProcessesRequest()
        request.page.size = 1000
        answer = await self._operator.call("ListUnresolvedProcesses", request)
        return list(answer.questions)

    async def settle_by_hand(self) -> None:
        """Have the institution give back after all what it refused to, and say so."""
        self.institution.is_mended = True
        for question in await self.by_hand():
            await self.institution.reverse(
                question.authorisation_id, note="by hand", deadline_seconds=10
            )
            request = operators.SettleProcessRequest(
                process_id=question.process_id,
                settlement=operators.PROCESS_SETTLEMENT_NOT_EXECUTED,
                note="The institution has given it back on the telephone.",
            )
            await self._operator.call("SettleProcess", request)

    async def reconciled(self) -> operators.ReconcileDayResponse:
        """Return what the server says about the day."""
        request = operators.ReconcileDayRequest()
        request.starts_at.FromMilliseconds(START)
        answer: operators.ReconcileDayResponse = await self._operator.call("ReconcileDay", request)
        return answer

    async def processes(self) -> list[Process]:
        return list(await self._store.scan(Process, 0, limit=100_000))

    async def open_work(self) -> int:
        """Count processes that are not over, and what the institution is still to be told."""
        due = await self._store.scan(Due, 0, limit=100_000)
        processes = await self.processes()
        return len(due) + sum(not process.is_final for process in processes)

    async def books(self) -> Books:
        """Return what the institution lists of the day."""
        return await read_books(self._stub, since=START - 1_000, until=self.clock.now() + 1_000)

    async def broken_promises(self) -> list[str]:
        """Compare both sides without the server's help, and say what does not fit."""
        return broken_promises(await self.processes(), await self.books(), self.institution.faults)

    async def _start(self) -> None:
        self._store = await SqliteStore.open(self._database, self._keyring.cells)
        is_first = not self.starts
        self.starts += 1
        made = world(
            self._store,
            self._keyring,
            clock=self.clock,
            authority=self._authority,
            institution=self.institution,
            again=not is_first,
        )
        self._world = await self._serving.enter_async_context(made)
        if is_first:
            shop = await open_shop(self._world)
            self._operator, self._till = self._world.operator, shop.till
            self._phones = [shop.phone]
            return
        for actor in (self._operator, self._till, *self._phones):
            await self._world.connect(actor)

    async def _stop(self) -> None:
        await self._serving.aclose()
        self._serving = AsyncExitStack()
        await self._store.close()

    async def _sell(self, number: int) -> str:
        code = await self._phones[number % len(self._phones)].issue()
        amount = 100 + number % 3_900
        process = await self._till.resolve(code, charge(amount), wait_milliseconds=1)
        return str(process.process_id)

    async def _finish(self, process_id: str) -> bool:
        """Do what tills do; return False if nothing was said, as if the link were down."""
        fault = self.institution.faults[f"{process_id}-0"]
        gives_up = 0.8 if fault in _GIVEN_UP_TO_BE_REVERSED else 0.15
        luck = self._random.random()
        if luck < gives_up:
            await self._till.reverse(process_id)
            return True
        process = await self._till.get(process_id)
        if process.state != operators_state(ProcessState.INSTRUCTED) or luck > 0.95:
            return False
        await self._till.complete(process_id)
        if luck > 0.85:  # the customer brings it back at once
            await self._till.reverse(process_id)
        return True

    async def _report_late(self, process_id: str) -> None:
        process = await self._till.get(process_id)
        if process.state in map(operators_state, (ProcessState.INSTRUCTED, ProcessState.OVERDUE)):
            await self._till.complete(process_id)

    async def _due(self) -> bool:
        """Say whether anything is due that does not wait for an answer on its way."""
        last = self.clock.now() + 1
        for kind in (CALL, "timer"):
            rows = await self._store.scan(
                Due, 0, first=f"{kind}/", last=f"{kind}/{last:013d}", limit=100_000
            )
            waited_for = self.institution.waited_for
            if any(f"{row.process_id}-{row.action}" not in waited_for for row in rows):
                return True
        return False


def operators_state(state: ProcessState) -> int:
    """Return the state's number in the contract."""
    return state.value
