"""Serves CreditInstitutionService, with health and reflection, until told to stop."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tallymark.v1 import credit_institution_service_pb2 as contract
from tallymark.v1 import credit_institution_service_pb2_grpc as contract_grpc
from tallymark_institution.services.error_interceptor import ErrorInterceptor

__all__ = ["GRACE_SECONDS", "CannotListen", "served", "until_signal"]

GRACE_SECONDS: Final = 2.0
"""Time that calls get to finish when the server stops; some of them never would."""

_SERVICE_NAME: Final = contract.DESCRIPTOR.services_by_name["CreditInstitutionService"].full_name


class CannotListen(Exception):
    """The address cannot be listened on."""


async def until_signal(
    serving: AbstractAsyncContextManager[int],
    *,
    ready_file: Path | None,
    tell: Callable[[str], object],
) -> None:
    """Serve until SIGTERM or SIGINT. `serving` gives the port."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if ready_file is not None:
        await asyncio.to_thread(ready_file.unlink, missing_ok=True)
    async with serving as port:
        if ready_file is not None:
            await asyncio.to_thread(_write_ready_file, ready_file, port=port)
        tell(f"Listening on port {port}.")
        await stop.wait()


@contextlib.asynccontextmanager
async def served(
    institution: contract_grpc.CreditInstitutionServiceServicer,
    *,
    listen: str,
    credentials: grpc.ServerCredentials | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> AsyncIterator[int]:
    """Serve inside the block, which gets the port. Raises CannotListen."""
    server, is_healthy = _build_server(institution)
    port = _listen(server, listen, credentials)
    async with contextlib.AsyncExitStack() as cleanup:
        await server.start()
        await is_healthy.set(_SERVICE_NAME, health_pb2.HealthCheckResponse.SERVING)
        cleanup.push_async_callback(server.stop, grace_seconds)
        cleanup.push_async_callback(is_healthy.enter_graceful_shutdown)
        yield port


def _build_server(
    institution: contract_grpc.CreditInstitutionServiceServicer,
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(_SERVICE_NAME)],
        # A second server on the same port would take half of the calls, silently.
        options=[("grpc.so_reuseport", 0)],
    )
    contract_grpc.add_CreditInstitutionServiceServicer_to_server(institution, server)
    is_healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(is_healthy, server)
    names = (_SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server, is_healthy


def _listen(
    server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None
) -> int:
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError as error:
        message = f"{address} cannot be listened on. Is the port in use, or the host not here?"
        raise CannotListen(message) from error


def _write_ready_file(path: Path, *, port: int) -> None:
    """Write it beside its place and move it there, so that nobody reads half of it."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps({"port": port, "pid": os.getpid()}) + "\n", encoding="utf-8")
    unfinished.replace(path)
