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

from tallymark_server.domain.model.merchants import Enrolment
from tallymark_server.lanes.completer import Completer
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.key_keeper import KeyKeeper
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.lanes.purger import Purger
from tallymark_server.limits import Turnstile
from tallymark_server.make_services import make_services
from tallymark_server.parts import PARTITIONS, Parts
from tallymark_server.passwords import Passwords
from tallymark_server.ports import PortNumbers, Ports, Services
from tallymark_server.services.adoption import Adoption
from tallymark_server.services.answering import load_one
from tallymark_server.services.callers import Callers
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.entrance import Entrance
from tallymark_server.services.interceptors import Interceptor
from tallymark_server.services.operator import local_operator
from tallymark_server.services.peer_keys import CertifiedPeers, PeerKey, PeerKeys, UnsafeNamedPeers
from tallymark_server.services.witnesses import Witnesses
from tallymark_server.tls.server_tls import ServerTls
from tallymark_server.watching.calls import CallWatch
from tallymark_server.watching.processes import ProcessWatch
from tallymark_server.watching.watched import Watched

__all__ = ["App", "Core", "running", "serve"]

LOOK_AT_CERTIFICATE_SECONDS: Final = 3_600.0
"""How often the age of the server's certificate is looked at; it lives for weeks."""

_log = logging.getLogger(__name__)


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
    services = make_services(
        parts,
        numbers,
        lane=lane,
        feed=feed,
        passwords=passwords,
        checkpoints=checkpoints,
        key_keeper=key_keeper,
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
