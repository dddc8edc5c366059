"""The server: all of it but its ports and its threads, over a real database in a folder."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, Self, TypeVar

from tallymark.v1 import (
    customer_service_pb2_grpc,
    operator_service_pb2_grpc,
    terminal_service_pb2_grpc,
)
from tallymark_server.app import running
from tallymark_server.clock import ClockStepped, SystemClock
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.state import Key, Row
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring
from tallymark_server.limits import UNSAFE_WIDE_FOR_TESTS
from tallymark_server.parts import Parts
from tallymark_server.passwords import UNSAFE_FAST_FOR_TESTS
from tallymark_server.ports import PortNumbers
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.storage.sqlite_database import ExclusiveConnection
from tallymark_server.storage.store import last_decision
from tallymark_server.tls.authority import Authority
from tests.simulation.hosts import Host
from tests.simulation.network import Network
from tests.simulation.notes import Notes
from tests.simulation.virtual_loop import Life, VirtualLoop
from tests.world.clock import START

__all__ = [
    "SERVER",
    "Changes",
    "InlineConnection",
    "MachineClock",
    "Secrets",
    "ServerMachine",
    "WatchedStore",
    "pause_of",
]

SERVER: Final = "server"

RESTART_SECONDS: Final = (0.5, 20.0)
"""A supervisor starts the server again after so long."""

T = TypeVar("T")

Changes = Mapping[Key[Any], Row | None]
Committed = Callable[[Changes, Sequence[JournalEntry]], None]


class InlineConnection:
    """The store's connection without its thread: the same work, done in the caller's turn."""

    pause: Callable[[], Awaitable[None]]
    """What passes before the work, as on the way to a thread."""

    def __init__(self, connector: Callable[[], ExclusiveConnection], **_: object) -> None:
        """Take what opened the database."""
        self.opened = connector()

    def __await__(self) -> Generator[Any, None, Self]:
        """Be ready at once."""
        yield from ()
        return self

    async def run(self, work: Callable[[ExclusiveConnection], T]) -> T:
        """Return what the work returns."""
        await self.pause()
        return work(self.opened)

    async def close(self) -> None:
        """Close the database."""
        self.opened.close()


class WatchedStore(SqliteStore):
    """The store, whose commits are told in the very moment in which they are made."""

    before_commit: Callable[[], Awaitable[None]]
    pause: Callable[[], Awaitable[None]]
    committed: Committed

    _committing: tuple[Changes, Sequence[JournalEntry]] | None = None

    async def save(
        self,
        changes: Changes,
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        """Save, and tell of it."""
        await self.before_commit()
        self._committing = (changes, entries)
        await super().save(changes, entries, new)
        await self.pause()  # the way back, on which a crash leaves a commit without its answer

    async def _run(self, work: Callable[[ExclusiveConnection], T]) -> T:
        committing, self._committing = self._committing, None

        def told(connection: ExclusiveConnection) -> T:
            done = work(connection)
            if committing is not None:
                self.committed(*committing)
            return done

        return await super()._run(told)

    async def everything(self) -> dict[Key[Any], Row]:
        """Return every row."""
        rows: dict[Key[Any], Row] = {}
        for table in self._tables:
            for row in await self.scan(table, 0, limit=1_000_000):
                rows[row.key] = row
        return rows


class MachineClock:
    """A machine's clock, which its owner may step."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Start right."""
        self._loop = loop
        self.ahead_seconds = 0.0

    def now_nanoseconds(self) -> int:
        """Return what the machine believes to be the time since 1970."""
        return START * 1_000_000 + round((self._loop.time() + self.ahead_seconds) * 1e9)

    def now_seconds(self) -> float:
        """Return the same in seconds."""
        return self.now_nanoseconds() / 1e9


class Secrets:
    """What the server has beside its database; the same for all runs."""

    def __init__(self, keyring: Keyring, authority: Authority) -> None:
        """Take the keys and the authority."""
        self.keyring = keyring
        self.authority = authority


class _NumbersGoNowhere:
    async def send(self, telephone_number: str, number_code: str) -> None:
        """Send nothing: no customer of a run has a number."""


class ServerMachine:
    """Runs the server again and again on one database."""

    def __init__(
        self,
        network: Network,
        *,
        path: Path,
        secrets: Secrets,
        chance: Random,
        notes: Notes,
    ) -> None:
        """Take the network, the database and the keys."""
        self._network = network
        self._path = path
        self._secrets = secrets
        self._chance = chance
        self._notes = notes
        self.clock = MachineClock(network.loop)
        self.life: Life | None = None
        self.serving = asyncio.Event()
        self.operator_code = ""
        self.crash_at_commit = ""
        """Whether the next commit is to be the last turn: "before" or "after" it."""

        self.crash_before_call = False
        """Whether it crashes with its next call of the institution, when the intent is written."""

        self.committed: Committed = lambda *_: None
        self.failed: Callable[[str], None] = lambda _: None
        self.opened: Callable[[dict[Key[Any], Row]], None] = lambda _: None
        """Gets every row when the database was opened."""

        self.store_type: type[WatchedStore] = WatchedStore

    def start(self) -> None:
        """Start the server; whenever it ends, it is started again."""
        life = Life(SERVER)
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

    def _start_again(self) -> None:
        self._notes.write(SERVER, "ended")
        self.serving.clear()
        self._network.later(self._chance.uniform(*RESTART_SECONDS), self.start)

    async def _run(self, life: Life) -> None:
        try:
            await self._serve(life)
        except ClockStepped:
            self._notes.reach("server stopped because its clock was moved", SERVER)
        except Exception as error:  # noqa: BLE001 -- whatever it is, nobody would serve any more
            if not life.is_over:
                self.failed(f"the server ended with {error!r}")
        life.end()

    async def _serve(self, life: Life) -> None:
        store = await self.store_type.open(self._path, self._secrets.keyring.cells)
        store.pause = pause_of(self._network)
        store.before_commit = self._before_commit
        store.committed = self._commit
        self.opened(await store.everything())
        clock = SystemClock(
            await last_decision(store),
            machine=self.clock.now_nanoseconds,
            steady=lambda: round(self._network.loop.time() * 1e9),
        )
        parts = Parts(
            store=store,
            clock=clock,
            keyring=self._secrets.keyring,
            institution=CreditInstitution(self._channel()),
            number_sender=_NumbersGoNowhere(),
            password_profile=UNSAFE_FAST_FOR_TESTS,
            limits=UNSAFE_WIDE_FOR_TESTS,
            authority=self._secrets.authority,
            tls=None,
        )
        async with running(parts, PortNumbers()) as core:
            host = Host(life)
            host.serve(
                core.services.customers,
                customer_service_pb2_grpc.add_CustomerServiceServicer_to_server,
                core.new_interceptor(),
            )
            host.serve(
                core.services.terminals,
                terminal_service_pb2_grpc.add_TerminalServiceServicer_to_server,
                core.new_interceptor(),
            )
            host.serve(
                core.services.operators,
                operator_service_pb2_grpc.add_OperatorServiceServicer_to_server,
                core.new_interceptor(),
            )
            self.operator_code = core.operator_code
            self._network.hosts[SERVER] = host
            self.serving.set()
            self._notes.write(SERVER, "serves")
            await core.stopped.wait()
        if clock.step_seconds:
            self._notes.reach("server stopped because its clock was moved", SERVER)

    async def _before_commit(self) -> None:
        if self.crash_at_commit == "before":
            self.crash_at_commit = ""
            self._notes.reach("server crashed before a commit", SERVER)
            self.crash()
            await asyncio.Event().wait()

    def _commit(self, changes: Changes, entries: Sequence[JournalEntry]) -> None:
        self.committed(changes, entries)
        if self.crash_at_commit == "after":
            self.crash_at_commit = ""
            self._notes.reach("server crashed after a commit, before the answer", SERVER)
            self._network.later(0.0, self.crash)

    def _channel(self) -> Any:
        """Return the line to the institution, on which a crash may wait for the next call."""
        channel = self._network.channel("institution")
        channel.before_call = self._before_call
        return channel

    def _before_call(self) -> None:
        if self.crash_before_call:
            self.crash_before_call = False
            self._notes.reach("server crashed between intent and call", SERVER)
            self.crash()


def pause_of(network: Network) -> Callable[[], Awaitable[None]]:
    """Return the pause of a store's thread, which takes as long as the weather says."""

    async def pause() -> None:
        seconds = network.chance.uniform(0.00005, network.weather.store_seconds_max)
        done = network.loop.create_future()
        network.loop.call_later(seconds, _wake, done)
        await done

    return pause


def _wake(done: Any) -> None:
    if not done.done():
        done.set_result(None)
