"""Builds the server. Read this first: it is the only place that puts the parts together.

phone, terminal, operator
          |  gRPC over TLS, for terminals and operators mutual
ports                     serve() opens them; all that follows is running() without any
          |
services: Interceptor (who calls, is it valid) -> CustomerService, TerminalService, OperatorService
          |  commands                                       ^ rows, and news by Feed
        Lane: gather -> decide (domain, pure) -> save -> answer
          |                                        |
        Store (SQLite, memory)                 Completer -> CreditInstitution (outside)
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tallymark_server.clock import Clock
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.keys import KeyKind
from tallymark_server.domain.model.merchants import Enrolment
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring
from tallymark_server.keys.high_water import Shown
from tallymark_server.keys.ring import KeyRing
from tallymark_server.lanes.completer import Completer
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.key_keeper import KeyKeeper
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.lanes.purger import Purger
from tallymark_server.limits import Limits, Turnstile
from tallymark_server.passwords import PasswordProfile, Passwords
from tallymark_server.ports import PortNumbers, Ports, Services
from tallymark_server.services.adoption import Adoption
from tallymark_server.services.answering import load_one
from tallymark_server.services.callers import Callers
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.customer import CustomerService
from tallymark_server.services.enrolment import Certificates
from tallymark_server.services.entrance import Entrance
from tallymark_server.services.exchange import Exchange
from tallymark_server.services.exchange_batches import BatchDesk
from tallymark_server.services.interceptors import Interceptor
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.number_sender import NumberSender
from tallymark_server.services.operator import OperatorService, local_operator
from tallymark_server.services.operator_keys import KeyRings
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.peer_keys import CertifiedPeers, PeerKey, PeerKeys, UnsafeNamedPeers
from tallymark_server.services.sealed_records import SealedRecords
from tallymark_server.services.tag_maker import TagMaker
from tallymark_server.services.terminal import TerminalService
from tallymark_server.services.terminal_answers import TerminalAnswers
from tallymark_server.services.terminal_commands import TerminalCommands
from tallymark_server.services.witnesses import Witnesses
from tallymark_server.storage.sqlite_backup import Backups
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority
from tallymark_server.tls.server_tls import ServerTls
from tallymark_server.watching.calls import CallWatch
from tallymark_server.watching.processes import ProcessWatch
from tallymark_server.watching.tracing import Tracing
from tallymark_server.watching.watched import Watched

__all__ = ["App", "Core", "Parts", "running", "serve"]

PARTITIONS: Final = (DIRECTORY,)
"""SQLite has one partition and one lane."""

LOOK_AT_CERTIFICATE_SECONDS: Final = 3_600.0
"""How often the age of the server's certificate is looked at; it lives for weeks."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the server is given from outside: everything that is not pure."""

    store: Store
    clock: Clock
    keyring: Keyring
    institution: CreditInstitution
    number_sender: NumberSender
    password_profile: PasswordProfile
    limits: Limits
    authority: Authority
    tls: ServerTls | None
    """None is the plain-text mode, in which callers are believed whatever they say."""

    operator_id: str = "first"
    """Operator that the server lets enrol by itself: the first, or one when all others are out."""

    keep_shown: Callable[[Shown], None] = lambda _: None
    """Writes down for the next start what a client has shown that the database does not have."""

    has_room: Callable[[], bool] = lambda: True
    """Whether the disk has room for something new."""

    backups: Backups | None = None
    """Makes backups while serving; None for a store that has no file."""

    tracing: Tracing | None = None
    """Makes spans of calls and batches; None for no traces."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """A server that runs, without its ports: what decides, and what answers calls."""

    lane: Lane
    feed: Feed
    completer: Completer
    key_keeper: KeyKeeper
    purger: Purger
    entrance: Entrance
    services: Services
    new_interceptor: Callable[[], Interceptor]
    """Makes what is around every call of a port."""

    operator_code: str
    """One-time code of the operator that the server lets enrol; empty once it was used."""

    stopped: asyncio.Event
    """Set when the server stops by itself: its store failed, or its data went back."""

    witnesses: Witnesses
    watched: Watched


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """A serving server."""

    port: int
    terminal_port: int
    operator_port: int
    operator_code: str
    """As the core's."""

    lane: Lane
    completer: Completer
    key_keeper: KeyKeeper
    purger: Purger
    entrance: Entrance
    stopped: asyncio.Event
    """As the core's."""

    witnesses: Witnesses
    watched: Watched


@asynccontextmanager
async def serve(
    parts: Parts, *, listen: str, terminal_listen: str, operator_listen: str
) -> AsyncIterator[App]:
    """Serve while the context lasts: phones and whoever enrols, terminals, and operators.

    Leaving it stops gracefully: calls under way end, new ones get UNAVAILABLE.
    """
    numbers = PortNumbers()
    async with running(parts, numbers) as core:
        ports = Ports(core.services, numbers, tls=parts.tls, new_interceptor=core.new_interceptor)
        try:
            await ports.start(
                listen=listen, terminal_listen=terminal_listen, operator_listen=operator_listen
            )
            yield App(
                port=numbers.phones,
                terminal_port=numbers.terminals,
                operator_port=numbers.operators,
                operator_code=core.operator_code,
                lane=core.lane,
                completer=core.completer,
                key_keeper=core.key_keeper,
                purger=core.purger,
                entrance=core.entrance,
                stopped=core.stopped,
                witnesses=core.witnesses,
                watched=core.watched,
            )
        finally:
            core.feed.close()
            await ports.stop()


@asynccontextmanager
async def running(parts: Parts, numbers: PortNumbers) -> AsyncIterator[Core]:
    """Run a server without ports; it tells whoever enrols the numbers of those that it is given."""
    feed = Feed()

    async def adopt(key: PeerKey) -> None:
        await adoption.adopt(key)

    callers = Callers(store=parts.store, clock=parts.clock, adopt=adopt)
    processes = ProcessWatch()
    await processes.start(parts.store, PARTITIONS)
    observers = [feed.publish, callers.forget, processes.notice]

    def tell(changes: Changes) -> None:
        for observe in observers:
            observe(changes)

    new_lane = parts.tracing.lane() if parts.tracing else Lane
    lane = new_lane(store=parts.store, clock=parts.clock, on_commit=tell, has_room=parts.has_room)
    adoption = Adoption(
        lane=lane,
        store=parts.store,
        backdated_seconds=parts.authority.lives.backdated_seconds,
    )
    completer = Completer(
        store=parts.store,
        lane=lane,
        clock=parts.clock,
        institution=parts.institution,
        partitions=PARTITIONS,
    )
    observers.append(completer.notice)
    key_keeper = KeyKeeper(store=parts.store, clock=parts.clock, keyring=parts.keyring)
    purger = Purger(store=parts.store, lane=lane, clock=parts.clock, partitions=PARTITIONS)
    passwords = Passwords(parts.password_profile)
    checkpoints = Checkpoints(lane=lane, keyring=parts.keyring, clock=parts.clock)
    turnstile = Turnstile(parts.limits, parts.clock)
    entrance = Entrance()
    watched = Watched(
        calls=CallWatch(parts.tracing.calls if parts.tracing else None),
        processes=processes,
        lane=lane,
        completer=completer,
        passwords=passwords,
        entrance=entrance,
    )
    peers: PeerKeys = CertifiedPeers() if parts.tls else UnsafeNamedPeers()
    stopped = asyncio.Event()
    witnesses = Witnesses(
        lane=lane,
        store=parts.store,
        keyring=parts.keyring,
        keep=parts.keep_shown,
        stopped=stopped,
    )
    lane_task = _start(lane.run(), stopped)
    operator_code = await _ensure_operator(parts, lane)
    services = _services(
        parts,
        numbers,
        lane=lane,
        feed=feed,
        passwords=passwords,
        checkpoints=checkpoints,
        rings=_rings(parts, key_keeper),
        callers=callers,
        turnstile=turnstile,
        witnesses=witnesses,
    )
    completer_task = _start(completer.run(), stopped)
    key_keeper_task = _start(key_keeper.run(), stopped)
    purger_task = _start(purger.run(), stopped)
    renewal_task = asyncio.create_task(_renew_certificate(parts.tls)) if parts.tls else None
    try:
        yield Core(
            lane=lane,
            feed=feed,
            completer=completer,
            key_keeper=key_keeper,
            purger=purger,
            entrance=entrance,
            services=services,
            new_interceptor=lambda: Interceptor(
                callers=callers,
                peer_keys=peers,
                turnstile=turnstile,
                checkpoints=checkpoints,
                witnesses=witnesses,
                watch=watched.calls,
                entrance=entrance,
            ),
            operator_code=operator_code,
            stopped=stopped,
            witnesses=witnesses,
            watched=watched,
        )
    finally:
        if renewal_task:
            renewal_task.cancel()
        purger.stop()
        key_keeper.stop()
        completer.stop()
        await asyncio.gather(purger_task, key_keeper_task, completer_task, return_exceptions=True)
        await completer.settled()
        lane.stop()
        await asyncio.gather(lane_task, return_exceptions=True)
        passwords.close()


def _services(  # noqa: PLR0913 -- what the services share
    parts: Parts,
    numbers: PortNumbers,
    *,
    lane: Lane,
    feed: Feed,
    passwords: Passwords,
    checkpoints: Checkpoints,
    rings: KeyRings,
    callers: Callers,
    turnstile: Turnstile,
    witnesses: Witnesses,
) -> Services:
    codes = CodeMaker(parts.keyring, parts.clock)
    tags = TagMaker(parts.keyring, parts.clock)
    records = SealedRecords(parts.keyring.records_key)
    lookup = Lookup(store=parts.store, keyring=parts.keyring, codes=codes, partitions=PARTITIONS)
    certificates = Certificates(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        authority=parts.authority,
    )
    customers = CustomerService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        passwords=PasswordGuard(lane=lane, store=parts.store, passwords=passwords),
        institution=parts.institution,
        number_sender=parts.number_sender,
        birth_partition=DIRECTORY,
        codes=codes,
        tags=tags,
        checkpoints=checkpoints,
        feed=feed,
    )
    terminal_commands = TerminalCommands(keyring=parts.keyring, lookup=lookup)
    terminal_answers = TerminalAnswers(keyring=parts.keyring, lookup=lookup, records=records)
    exchange = Exchange(
        desk=BatchDesk(
            lane=lane,
            lookup=lookup,
            callers=callers,
            turnstile=turnstile,
            commands=terminal_commands,
            answers=terminal_answers,
        ),
        answers=terminal_answers,
        lookup=lookup,
        feed=feed,
        checkpoints=checkpoints,
        witnesses=witnesses,
    )
    terminals = TerminalService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        lookup=lookup,
        tags=tags,
        feed=feed,
        certificates=certificates,
        checkpoints=checkpoints,
        records=records,
        commands=terminal_commands,
        answers=terminal_answers,
        exchange=exchange,
        port=lambda: numbers.terminals,
    )
    operators = OperatorService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        rings=rings,
        backups=parts.backups,
        certificates=certificates,
        checkpoints=checkpoints,
        institution=parts.institution,
        port=lambda: numbers.operators,
    )
    return Services(customers=customers, terminals=terminals, operators=operators)


def _rings(parts: Parts, key_keeper: KeyKeeper) -> KeyRings:
    """Return the rings of keys that an operator may rotate."""
    rings: dict[KeyKind, KeyRing] = {
        KeyKind.SIGNING: parts.keyring.signing,
        KeyKind.CELLS: parts.keyring.cells,
    }
    if parts.tls is not None:
        rings[KeyKind.TLS] = parts.tls
    return KeyRings(rings, notice=key_keeper.notice)


def _start(work: Coroutine[Any, Any, None], stopped: asyncio.Event) -> asyncio.Task[None]:
    """Run what the server cannot do without: when it ends, the server stops."""

    def stop_serving(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.critical("the server cannot go on", exc_info=task.exception())
        stopped.set()

    task = asyncio.create_task(work)
    task.add_done_callback(stop_serving)
    return task


async def _renew_certificate(tls: ServerTls) -> None:
    """Show new connections a new certificate before the one before is over."""
    while True:
        await asyncio.sleep(LOOK_AT_CERTIFICATE_SECONDS)
        tls.rotate_if_due()


async def _ensure_operator(parts: Parts, lane: Lane) -> str:
    """Create the operator unless it is there, and return the code as long as it is unused."""
    command, code = local_operator(parts.keyring, parts.operator_id)
    await lane.submit(command)
    enrolment = await load_one(parts.store, Enrolment.key_of(command.code_hash))
    return code if enrolment is not None else ""
