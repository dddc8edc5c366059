"""One scan with everything in it, and a fault at the Nth place of its way through the server."""

import asyncio
import shutil
import sqlite3
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import pytest

from tallymark.v1.terminal_service_pb2 import CompleteProcessRequest, ResolveCodeRequest
from tallymark_protocol.errors import TallymarkError
from tallymark_server.domain.model.processes import Code, CodeState, Process, ProcessState
from tallymark_server.domain.model.registrations import (
    ISSUER,
    Bill,
    BillState,
    PointsAccount,
    Ticket,
)
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.terminal import TerminalService
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_database import ExclusiveConnection
from tallymark_server.storage.store import Store
from tests.world.actions import ADMIT, burn, earn, pay_bill
from tests.world.actor import DEADLINE_SECONDS
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.messages import by_process, new_id
from tests.world.serving import world
from tests.world.shop import open_shop
from tests.world.terminal import Terminal

__all__ = ["DONE", "HELD", "NOTHING", "Fault", "Place", "Prepared", "Stand", "stand_of"]

T = TypeVar("T")


class Place(Enum):
    """Where a fault may strike."""

    STATEMENT = "statement of SQLite"
    LANE = "await of the lane"
    HANDLER = "await of a handler"
    DEADLINE = "millisecond of the caller's patience"


class Stand(NamedTuple):
    """How things stand: the process, and all that it is about."""

    process: ProcessState | None
    code: CodeState
    bill: BillState
    tickets_held: int
    entries_used: int
    points: int
    points_held: int
    issued: int


NOTHING: Final = Stand(None, CodeState.ISSUED, BillState.OPEN, 0, 0, 300, 0, -300)
HELD: Final = Stand(ProcessState.INSTRUCTED, CodeState.CLAIMED, BillState.HELD, 1, 0, 300, 10, -300)
DONE: Final = Stand(ProcessState.COMPLETED, CodeState.CONSUMED, BillState.PAID, 0, 1, 297, 0, -297)


async def stand_of(store: Store) -> Stand:
    """Read how things stand."""
    processes = await store.scan(Process, 0, limit=2)
    (code,) = await store.scan(Code, 0, limit=2)
    (bill,) = await store.scan(Bill, 0, limit=2)
    (ticket,) = await store.scan(Ticket, 0, limit=2)
    accounts = {one.holder_id: one for one in await store.scan(PointsAccount, 0, limit=3)}
    issuer = accounts.pop(ISSUER)
    (account,) = accounts.values()
    return Stand(
        process=processes[0].state if processes else None,
        code=code.state,
        bill=bill.state,
        tickets_held=int(bool(ticket.held_by)),
        entries_used=ticket.entries_used,
        points=account.balance,
        points_held=account.held,
        issued=issuer.balance,
    )


class Broken(Exception):
    """The fault."""


@dataclass
class Fault:
    """Strikes at the Nth time that its place is passed, once or from then on; 0 never does.

    It counts from the moment in which it is armed, when the server serves.
    """

    place: Place
    number: int = 0
    is_for_ever: bool = False
    is_armed: bool = False
    passed: int = 0
    struck: int = 0

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        """Put it where it strikes."""
        match self.place:
            case Place.STATEMENT:
                patch.setattr(ExclusiveConnection, "execute", self._execute(), raising=False)
            case Place.LANE:
                patch.setattr(Lane, "run", self._breaking(Lane.run))
            case Place.HANDLER:
                for rpc in ("ResolveCode", "CompleteProcess"):
                    handler = self._breaking(getattr(TerminalService, rpc))
                    patch.setattr(TerminalService, rpc, handler)
            case Place.DEADLINE:
                pass

    @property
    def deadline_seconds(self) -> float:
        """How long the caller waits."""
        return self.number / 1_000 if self.place is Place.DEADLINE else DEADLINE_SECONDS

    def _strikes(self) -> bool:
        if not self.is_armed:
            return False
        self.passed += 1
        due = self.number and self.passed >= self.number
        if due and (self.is_for_ever or not self.struck):
            self.struck += 1
            return True
        return False

    def _execute(self) -> Callable[..., sqlite3.Cursor]:
        def execute(connection: ExclusiveConnection, sql: str, *values: Any) -> sqlite3.Cursor:
            if self._strikes():
                message = "disk I/O error"
                raise sqlite3.OperationalError(message)
            return sqlite3.Connection.execute(connection, sql, *values)

        return execute

    def _breaking(
        self, function: Callable[..., Coroutine[Any, Any, T]]
    ) -> Callable[..., Coroutine[Any, Any, T]]:
        async def broken(*arguments: Any) -> T:
            return await self._driven(function(*arguments))

        return broken

    @types.coroutine
    def _driven(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Go on with the work from await to await, and let the Nth of them raise."""
        throw: BaseException | None = None
        while True:
            try:
                waits_for = work.throw(throw) if throw is not None else work.send(None)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 -- handed on, whatever it is
                throw = error
            else:
                throw = Broken("at an await") if self._strikes() else None


class Prepared:
    """A database with a code that is shown, to be copied for each try."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._keyring = keyring
        self._authority = new_authority(LONG_LIVES)
        self._till: Terminal
        self._resolve: ResolveCodeRequest
        self._complete_id = new_id()

    async def set_up(self) -> None:
        """Furnish the database."""
        store = await self._open("template")
        async with world(store, self._keyring, authority=self._authority) as made:
            shop = await open_shop(made)
            self._till = shop.till
            self._resolve = shop.till.resolve_request(
                await shop.phone.issue(), burn(10), earn(7), ADMIT, pay_bill("B-7")
            )
        await store.close()

    async def stand_after(self, name: str, fault: Fault) -> tuple[Stand, Stand]:
        """Scan with a fault; return how things stand after a restart, and after repeating all."""
        shutil.copytree(self._folder / "template", self._folder / name)
        await self._serve(name, fault)
        store = await self._open(name)
        broken = await stand_of(store)
        await store.close()
        whole = Fault(Place.DEADLINE, number=round(DEADLINE_SECONDS * 1_000))
        await self._serve(name, whole)
        store = await self._open(name)
        repeated = await stand_of(store)
        await store.close()
        shutil.rmtree(self._folder / name)
        return broken, repeated

    async def _serve(self, name: str, fault: Fault) -> None:
        store = await self._open(name)
        with pytest.MonkeyPatch.context() as patch:
            fault.plant(patch)
            async with world(store, self._keyring, authority=self._authority, again=True) as made:
                await made.connect(self._till)
                fault.is_armed = True
                await self._sell(fault.deadline_seconds)
                fault.is_armed = fault.is_for_ever
        await store.close()

    async def _sell(self, deadline_seconds: float) -> None:
        """Resolve and complete, as far as there is an answer."""
        try:
            answer = await self._till.call("ResolveCode", self._resolve, deadline=deadline_seconds)
            complete = CompleteProcessRequest(
                request_id=self._complete_id, reference=by_process(answer.process.process_id)
            )
            await self._till.call("CompleteProcess", complete, deadline=deadline_seconds)
        except TallymarkError:
            await asyncio.sleep(0)

    async def _open(self, name: str) -> SqliteStore:
        path = self._folder / name / "tallymark.sqlite3"
        return await SqliteStore.open(path, self._keyring.cells)
