"""Builds the server. Read this first: it is the only place that puts the parts together.

phone, terminal, operator
          |  gRPC
services: Interceptor (who calls, is it valid) -> CustomerService, TerminalService, OperatorService
          |  commands                                       ^ rows, and news by Feed
        Lane: gather -> decide (domain, pure) -> save -> answer
          |                                        |
        Store (SQLite, memory)                 Completer -> CreditInstitution (outside)
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tallymark.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    operator_service_pb2,
    operator_service_pb2_grpc,
    terminal_service_pb2,
    terminal_service_pb2_grpc,
)
from tallymark_server.clock import Clock
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import Enrolment
from tallymark_server.institution import CreditInstitution
from tallymark_server.keyring import Keyring
from tallymark_server.lanes.completer import Completer
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.lane import Changes, Lane
from tallymark_server.limits import (
    OPERATOR_REQUEST_BYTES_MAX,
    PUBLIC_REQUEST_BYTES_MAX,
    Limits,
    Turnstile,
)
from tallymark_server.listener import Listener
from tallymark_server.passwords import PasswordProfile, Passwords
from tallymark_server.services.answering import load_one
from tallymark_server.services.callers import Callers
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.customer import CustomerService
from tallymark_server.services.enrolment import Certificates
from tallymark_server.services.interceptors import Interceptor
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.number_sender import NumberSender
from tallymark_server.services.operator import OperatorService, first_operator
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.peer_keys import CertifiedPeers, PeerKeys, UnsafeNamedPeers
from tallymark_server.services.terminal import TerminalService
from tallymark_server.storage.store import Store
from tallymark_server.tls.authority import Authority
from tallymark_server.tls.server_tls import ServerTls

__all__ = ["App", "Parts", "serve"]

PARTITIONS: Final = (DIRECTORY,)
"""SQLite has one partition and one lane."""

LOOK_AT_CERTIFICATE_SECONDS: Final = 3_600.0
"""How often the age of the server's certificate is looked at; it lives for weeks."""

CUSTOMER: Final = customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"]
TERMINAL: Final = terminal_service_pb2.DESCRIPTOR.services_by_name["TerminalService"]
OPERATOR: Final = operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """A serving server."""

    port: int
    terminal_port: int
    operator_port: int
    operator_code: str
    """One-time code of the first operator; empty once it was used."""

    lane: Lane
    completer: Completer
    stopped: asyncio.Event
    """Set when the server stops by itself, because its store failed."""


@asynccontextmanager
async def serve(
    parts: Parts, *, listen: str, terminal_listen: str, operator_listen: str
) -> AsyncIterator[App]:
    """Serve while the context lasts: phones and whoever enrols, terminals, and operators.

    Leaving it stops gracefully: calls under way end, new ones get UNAVAILABLE.
    """
    feed = Feed()
    callers = Callers(store=parts.store, clock=parts.clock)
    observers = [feed.publish, callers.forget]

    def tell(changes: Changes) -> None:
        for observe in observers:
            observe(changes)

    lane = Lane(store=parts.store, clock=parts.clock, on_commit=tell)
    completer = Completer(
        store=parts.store,
        lane=lane,
        clock=parts.clock,
        institution=parts.institution,
        partitions=PARTITIONS,
    )
    observers.append(completer.notice)
    passwords = Passwords(parts.password_profile)
    codes = CodeMaker(parts.keyring)
    stopped = asyncio.Event()

    def stop_serving(task: asyncio.Task[None]) -> None:
        """Stop when the lane or the completer ends; whatever ended it stands in the log."""
        if not task.cancelled() and task.exception() is not None:
            _log.critical("the server cannot go on", exc_info=task.exception())
        stopped.set()

    phones, terminals, operators = _listeners(parts, callers, Turnstile(parts.limits, parts.clock))
    certificates = Certificates(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        authority=parts.authority,
    )
    lane_task = asyncio.create_task(lane.run())
    lane_task.add_done_callback(stop_serving)
    operator_code = await _ensure_first_operator(parts, lane)
    customer_service = CustomerService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        passwords=PasswordGuard(
            lane=lane, store=parts.store, keyring=parts.keyring, passwords=passwords
        ),
        institution=parts.institution,
        number_sender=parts.number_sender,
        birth_partition=DIRECTORY,
        codes=codes,
        feed=feed,
    )
    terminal_service = TerminalService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        lookup=Lookup(store=parts.store, keyring=parts.keyring, codes=codes, partitions=PARTITIONS),
        feed=feed,
        certificates=certificates,
        port=lambda: terminals.port,
    )
    operator_service = OperatorService(
        lane=lane,
        store=parts.store,
        keyring=parts.keyring,
        certificates=certificates,
        port=lambda: operators.port,
    )
    phones.serve(
        CUSTOMER, customer_service, customer_service_pb2_grpc.add_CustomerServiceServicer_to_server
    )
    phones.serve_one(TERMINAL, "Enroll", terminal_service.Enroll)
    phones.serve_one(OPERATOR, "EnrollOperator", operator_service.EnrollOperator)
    terminals.serve(
        TERMINAL, terminal_service, terminal_service_pb2_grpc.add_TerminalServiceServicer_to_server
    )
    operators.serve(
        OPERATOR, operator_service, operator_service_pb2_grpc.add_OperatorServiceServicer_to_server
    )
    completer_task = asyncio.create_task(completer.run())
    completer_task.add_done_callback(stop_serving)
    renewal_task = asyncio.create_task(_renew_certificate(parts.tls)) if parts.tls else None
    try:
        await terminals.start(terminal_listen)
        await operators.start(operator_listen)
        await phones.start(listen)  # last: its answers name the other ports
        yield App(
            port=phones.port,
            terminal_port=terminals.port,
            operator_port=operators.port,
            operator_code=operator_code,
            lane=lane,
            completer=completer,
            stopped=stopped,
        )
    finally:
        feed.close()
        if renewal_task:
            renewal_task.cancel()
        await asyncio.gather(phones.stop(), terminals.stop(), operators.stop())
        completer.stop()
        await asyncio.gather(completer_task, return_exceptions=True)
        await completer.settled()
        lane.stop()
        await asyncio.gather(lane_task, return_exceptions=True)
        passwords.close()


def _listeners(
    parts: Parts, callers: Callers, turnstile: Turnstile
) -> tuple[Listener, Listener, Listener]:
    """Return the listeners of phones, terminals and operators; only phones need no certificate."""
    peers: PeerKeys = CertifiedPeers() if parts.tls else UnsafeNamedPeers()

    def listener(request_bytes_max: int, *, ask_clients: bool) -> Listener:
        return Listener(
            Interceptor(callers, peers, turnstile),
            credentials=parts.tls.credentials(ask_clients=ask_clients) if parts.tls else None,
            request_bytes_max=request_bytes_max,
        )

    return (
        listener(PUBLIC_REQUEST_BYTES_MAX, ask_clients=False),
        listener(PUBLIC_REQUEST_BYTES_MAX, ask_clients=True),
        listener(OPERATOR_REQUEST_BYTES_MAX, ask_clients=True),
    )


async def _renew_certificate(tls: ServerTls) -> None:
    """Show new connections a new certificate before the one before is over."""
    while True:
        await asyncio.sleep(LOOK_AT_CERTIFICATE_SECONDS)
        tls.rotate_if_due()


async def _ensure_first_operator(parts: Parts, lane: Lane) -> str:
    """Create the first operator if there is none, and return the code as long as it is unused."""
    command, code = first_operator(parts.keyring)
    await lane.submit(command)
    enrolment = await load_one(parts.store, Enrolment.key_of(command.code_hash))
    return code if enrolment is not None else ""
