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

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE_NAME
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

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
from tallymark_server.passwords import PasswordProfile, Passwords
from tallymark_server.services.answering import load_one
from tallymark_server.services.callers import Callers
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.customer import CustomerService
from tallymark_server.services.interceptors import Interceptor
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.number_sender import NumberSender
from tallymark_server.services.operator import OperatorService, first_operator
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.terminal import TerminalService
from tallymark_server.storage.store import Store

__all__ = ["App", "Parts", "serve"]

PARTITIONS: Final = (DIRECTORY,)
"""SQLite has one partition and one lane."""

GRACE_SECONDS: Final = 10.0
"""How long calls under way may take when the server is told to stop."""

_OPTIONS: Final = [
    ("grpc.so_reuseport", 0),  # a port in use is an error, not a second server on it
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A phone that lost its network must not keep its streams counted for long.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


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


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """A serving server."""

    port: int
    operator_port: int
    operator_code: str
    """One-time code of the first operator; empty once it was used."""

    lane: Lane
    completer: Completer
    stopped: asyncio.Event
    """Set when the server stops by itself, because its store failed."""


@asynccontextmanager
async def serve(parts: Parts, *, listen: str, operator_listen: str) -> AsyncIterator[App]:
    """Serve while the context lasts.

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
    )
    operator_service = OperatorService(lane=lane, store=parts.store, keyring=parts.keyring)
    turnstile = Turnstile(parts.limits, parts.clock)
    public = _Listener(Interceptor(callers, turnstile), PUBLIC_REQUEST_BYTES_MAX)
    customer_service_pb2_grpc.add_CustomerServiceServicer_to_server(customer_service, public.server)
    terminal_service_pb2_grpc.add_TerminalServiceServicer_to_server(terminal_service, public.server)
    operators = _Listener(Interceptor(callers, turnstile), OPERATOR_REQUEST_BYTES_MAX)
    operator_service_pb2_grpc.add_OperatorServiceServicer_to_server(
        operator_service, operators.server
    )
    completer_task = asyncio.create_task(completer.run())
    completer_task.add_done_callback(stop_serving)
    try:
        yield App(
            port=await public.start(
                listen,
                customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"].full_name,
                terminal_service_pb2.DESCRIPTOR.services_by_name["TerminalService"].full_name,
            ),
            operator_port=await operators.start(
                operator_listen,
                operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"].full_name,
            ),
            operator_code=operator_code,
            lane=lane,
            completer=completer,
            stopped=stopped,
        )
    finally:
        feed.close()
        await asyncio.gather(public.stop(), operators.stop())
        completer.stop()
        await asyncio.gather(completer_task, return_exceptions=True)
        await completer.settled()
        lane.stop()
        await asyncio.gather(lane_task, return_exceptions=True)
        passwords.close()


class _Listener:
    """One gRPC server on one port, with health and reflection beside its services."""

    def __init__(self, interceptor: Interceptor, request_bytes_max: int) -> None:
        self._interceptor = interceptor
        options = [*_OPTIONS, ("grpc.max_receive_message_length", request_bytes_max)]
        self.server = grpc.aio.server(interceptors=[interceptor], options=options)
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)

    async def start(self, address: str, *service_names: str) -> int:
        """Serve on HOST:PORT and return the port."""
        reflected = [*service_names, HEALTH_SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(reflected, self.server)
        try:
            port = self.server.add_insecure_port(address)
        except RuntimeError as error:
            message = f"{address} cannot be listened on. Is the port in use, or the host not here?"
            raise RuntimeError(message) from error
        await self.server.start()
        for name in ("", *service_names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def stop(self) -> None:
        """Tell the load balancers, let the calls under way end, refuse new ones."""
        await self._health.enter_graceful_shutdown()
        await self._interceptor.close()
        await self.server.stop(GRACE_SECONDS)


async def _ensure_first_operator(parts: Parts, lane: Lane) -> str:
    """Create the first operator if there is none, and return the code as long as it is unused."""
    command, code = first_operator(parts.keyring)
    await lane.submit(command)
    enrolment = await load_one(parts.store, Enrolment.key_of(command.code_hash))
    return code if enrolment is not None else ""
