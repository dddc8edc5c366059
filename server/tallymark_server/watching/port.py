"""The port on which Prometheus asks for the metrics: plain HTTP, for this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, start_http_server

from tallymark_server.watching.pauses import Pauses

__all__ = ["showing_metrics"]


@asynccontextmanager
async def showing_metrics(
    registry: CollectorRegistry, pauses: Pauses, address: str
) -> AsyncIterator[int]:
    """Show the metrics at HOST:PORT while the context lasts; give the port, chosen for port 0.

    Raises:
        RuntimeError: the address cannot be listened on.

    """
    host, _, port = address.rpartition(":")
    if not host:  # sockets take that for every address of this machine
        message = f"{address} is no address to listen on for metrics: write HOST:PORT"
        raise RuntimeError(message)
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except (OSError, OverflowError, ValueError) as error:
        message = (
            f"{address} cannot be listened on for metrics: {error}. "
            "Is the port in use, or the host not here?"
        )
        raise RuntimeError(message) from error
    try:
        async with pauses.watching():
            yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
