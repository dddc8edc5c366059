"""Builds the simulator and runs it until it is told to stop. READ FIRST."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import grpc
import msgspec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import credit_institution_service_pb2_grpc as contract_grpc
from tallymark_institution.journal import Journal
from tallymark_institution.ledger import ForgetfulJournal, Ledger
from tallymark_institution.services.error_interceptor import ErrorInterceptor
from tallymark_institution.services.simulated_institution import SimulatedInstitution

__all__ = ["SLOW_SECONDS", "CannotListen", "Clock", "Options", "run", "serving"]

SLOW_SECONDS: Final = 8.0
"""Longer than a terminal waits for ResolveCode (5 s), shorter than the server's limit (30 s)."""

_GRACE_SECONDS: Final = 2.0
"""Time that calls get to finish when the simulator stops; some of them never would."""

_TOKEN_KEY_BYTES: Final = 32

_SERVICE_NAME: Final = contract.DESCRIPTOR.services_by_name["CreditInstitutionService"].full_name


class CannotListen(Exception):
    """The address cannot be listened on."""


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """Time of day in seconds since 1970, and waiting. Tests have one of their own."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What one simulator is told to do."""

    listen: str
    """HOST:PORT; port 0 takes a free one."""
    data: Path | None = None
    """Journal file, or None to forget everything on exit."""
    slow_seconds: float = SLOW_SECONDS
    tell: Callable[[str], object] | None = None
    """Takes a line for each thing that happens."""


async def run(options: Options, *, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotListen and JournalUnusable."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if ready_file is not None:
        await asyncio.to_thread(ready_file.unlink, missing_ok=True)
    async with serving(options) as port:
        if ready_file is not None:
            await asyncio.to_thread(_write_ready_file, ready_file, port=port)
        if options.tell is not None:
            options.tell(f"Listening on port {port}.")
        await stop.wait()


@contextlib.asynccontextmanager
async def serving(
    options: Options, *, clock: Clock | None = None, grace_seconds: float = _GRACE_SECONDS
) -> AsyncIterator[int]:
    """Serve inside the block, which gets the port. Raises CannotListen and JournalUnusable."""
    clock = clock or Clock()
    token_key = secrets.token_bytes(_TOKEN_KEY_BYTES)
    ledger = Ledger(ForgetfulJournal())
    async with contextlib.AsyncExitStack() as cleanup:
        if options.data is not None:
            journal = await asyncio.to_thread(Journal.open, options.data, new_token_key=token_key)
            cleanup.push_async_callback(asyncio.to_thread, journal.close)
            token_key = journal.token_key
            ledger = Ledger(journal, journal.authorisations)
        institution = SimulatedInstitution(
            ledger=ledger,
            token_key=token_key,
            slow_seconds=options.slow_seconds,
            now=clock.now,
            sleep=clock.sleep,
            tell=options.tell or _tell_nobody,
        )
        server, is_healthy = _build_server(institution)
        port = _listen(server, options.listen)
        await server.start()
        await is_healthy.set(_SERVICE_NAME, health_pb2.HealthCheckResponse.SERVING)
        cleanup.push_async_callback(server.stop, grace_seconds)
        cleanup.push_async_callback(is_healthy.enter_graceful_shutdown)
        yield port


def _build_server(
    institution: SimulatedInstitution,
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(_SERVICE_NAME)],
        # A second simulator on the same port would take half of the calls, silently.
        options=[("grpc.so_reuseport", 0)],
    )
    contract_grpc.add_CreditInstitutionServiceServicer_to_server(institution, server)
    is_healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(is_healthy, server)
    names = (_SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server, is_healthy


def _listen(server: grpc.aio.Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError as error:
        message = f"{address} cannot be listened on. Is the port in use, or the host not here?"
        raise CannotListen(message) from error


def _write_ready_file(path: Path, *, port: int) -> None:
    """Write it beside its place and move it there, so that nobody reads half of it."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps({"port": port, "pid": os.getpid()}) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _tell_nobody(line: str) -> None:
    """Take a line and forget it."""
