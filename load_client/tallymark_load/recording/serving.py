"""Runs the proxy: connections on both sides, progress, and the end."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from rich.console import Console
from rich.live import Live

from tallymark_load.recording.proxy import OPTIONS, Proxy
from tallymark_load.recording.recorder import Recorder

__all__ = ["CannotListen", "Side", "serve"]

LOOK_SECONDS: Final = 1
LINE_SECONDS: Final = 10
"""How often a line is printed where there is no terminal."""

GRACE_SECONDS: Final = 1.0
"""How long calls under way may still end when the proxy stops."""


class CannotListen(Exception):
    """The address is taken, or is none of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How one side of the proxy speaks: HOST:PORT, and files in PEM unless it is plain text.

    name is what the certificate of the service is for, if that is not HOST.
    """

    address: str
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    is_plain: bool = False
    name: str = ""


async def serve(own: Side, service: Side, recorder: Recorder) -> None:
    """Pass calls on until SIGINT or SIGTERM, or until nothing can be written any more.

    Raises:
        CannotListen: nobody can call at the address.

    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(_channel(service))
        proxy = Proxy(channel, recorder, authority=service.address)
        server = grpc.aio.server(handlers=[proxy], options=OPTIONS)
        address = f"{own.address.rpartition(':')[0]}:{_listen(server, own)}"
        await server.start()
        print(f"Listening on {address}, for {service.address}.", file=sys.stderr, flush=True)  # noqa: T201 -- its progress
        try:
            await _show_until(stopped, recorder)
        finally:
            await server.stop(GRACE_SECONDS)


def _channel(service: Side) -> grpc.aio.Channel:
    if service.is_plain:
        return grpc.aio.insecure_channel(service.address, options=OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(service.ca_file),
        private_key=_read(service.key),
        certificate_chain=_read(service.certificate),
    )
    name = [("grpc.ssl_target_name_override", service.name)] if service.name else []
    return grpc.aio.secure_channel(service.address, credentials, options=[*OPTIONS, *name])


def _listen(server: grpc.aio.Server, own: Side) -> int:
    """Return the port."""
    key, certificate = _read(own.key), _read(own.certificate)
    try:
        if key is None or certificate is None:
            return server.add_insecure_port(own.address)
        client_ca = _read(own.ca_file)
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)],
            root_certificates=client_ca,
            require_client_auth=client_ca is not None,
        )
        return server.add_secure_port(own.address, credentials)
    except RuntimeError:
        message = f"Nobody can listen on {own.address}: it is taken, or is not of this machine."
        raise CannotListen(message) from None


async def _show_until(stopped: asyncio.Event, recorder: Recorder) -> None:
    """Show the progress until the recording is stopped, or cannot go on."""
    console = Console(stderr=True, highlight=False)
    seconds = 0
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        while not stopped.is_set() and recorder.failure is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)
            seconds += 1
            if console.is_terminal:
                live.update(_progress(recorder), refresh=True)
            elif seconds % LINE_SECONDS == 0:
                console.print(_progress(recorder), soft_wrap=True)


def _progress(recorder: Recorder) -> str:
    counts = recorder.methods.values()
    calls, ended = sum(one.calls for one in counts), sum(one.ended for one in counts)
    messages = sum(one.sent + one.received for one in counts)
    lost = f", {recorder.lost:,} events lost" if recorder.lost else ""
    return f"{calls:,} calls, {calls - ended:,} of them open, {messages:,} messages{lost}"


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
