"""A shop whose callers are recorded, and the same shop on another server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from tallymark.v1 import (
    customer_service_pb2_grpc,
    process_pb2,
    terminal_service_pb2_grpc,
)
from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.cast import MEMBER_KEY, Cast, Customer, Server, Terminal
from tallymark_load.connections import Connections, Route
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.recording import Recorder, recording_interceptors
from tallymark_load.redaction import Redaction
from tallymark_load.replay.contracts import Contracts
from tallymark_load.replay.pace import Pace
from tallymark_load.replay.replaying import Replayed, replay
from tallymark_load.replay.rules import ReplayRules
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.world.actor import Actor
from tests.world.phone import Phone
from tests.world.serving import world
from tests.world.signed_requests import PASSWORD
from tests.world.stage import Stage

__all__ = ["Shop", "opened", "read", "recorded_shop", "replayed"]

TERMINALS = ("till", "other_till", "gate")


class Named(Actor):
    """An actor whose calls tell a recording who called."""

    name = ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (*super().metadata, (MEMBER_KEY, self.name))


class Shop:
    """A furnished server and the cast that calls it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        app = stage.world.app
        self.cast = Cast(
            label="shop",
            server=Server(
                phones=f"127.0.0.1:{app.port}",
                terminals=f"127.0.0.1:{app.terminal_port}",
                operators=f"127.0.0.1:{app.operator_port}",
                ca_certificates_pem=stage.world.ca_pem,
            ),
            terminals={name: _terminal(name, getattr(stage, name)) for name in TERMINALS},
            customers={name: _customer(name, getattr(stage, name)) for name in ("ana", "bob")},
        )

    def connections(self, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> Connections:
        return Connections(ca_pem=self.cast.server.ca_certificates_pem, interceptors=interceptors)

    def name_callers(self, connections: Connections) -> None:
        """Let all actors call on these connections, and say who they are."""
        server = self.cast.server
        for number, name in enumerate((*TERMINALS, "ana", "bob")):
            actor = getattr(self.stage, name)
            actor.__class__ = type(type(actor).__name__, (Named, type(actor)), {"name": name})
            stub: Any = customer_service_pb2_grpc.CustomerServiceStub
            route = Route(server.phones)
            if name in TERMINALS:
                stub = terminal_service_pb2_grpc.TerminalServiceStub
                route = Route(server.terminals, actor.identity)
            actor.stub = stub(connections.channel(route, number))

    async def shown(self, stream: Any, process_id: str, *states: int) -> process_pb2.Process:
        """Read a stream until it shows a process in one of the states."""
        async for answer in stream:
            if answer.process.process_id == process_id and answer.process.state in states:
                found: process_pb2.Process = answer.process
                return found
        raise AssertionError


@asynccontextmanager
async def opened(keyring: Keyring) -> AsyncIterator[Shop]:
    """Open the shop on a server of its own."""
    async with world(MemoryStore(), keyring) as served:
        yield Shop(await Stage.set_up(served))


@asynccontextmanager
async def recorded_shop(keyring: Keyring, path: Path) -> AsyncIterator[Shop]:
    """Open the shop and write down every call of its terminals and phones."""
    async with opened(keyring) as shop:
        with LogWriter(path) as writer, Recorder(writer, Redaction()) as recorder:
            interceptors = recording_interceptors(recorder)
            async with shop.connections(interceptors) as connections:
                shop.name_callers(connections)
                yield shop


def read(path: Path) -> list[RecordedCall]:
    """Return the calls of a recording."""
    with LogReader(path) as reader:
        return list(calls_of(reader))


async def replayed(path: Path, shop: Shop, pace: Pace, **changes: Any) -> Replayed:
    """Replay a recording against a shop."""
    options: dict[str, Any] = {
        "contracts": Contracts(),
        "rules": ReplayRules.of_tallymark(),
        "cast": shop.cast,
        "patience_seconds": 10.0,
        **changes,
    }
    async with shop.connections() as connections:
        return await replay(read(path), connections=connections, pace=pace, **options)


def _terminal(name: str, actor: Any) -> Terminal:
    return Terminal(
        name=name,
        terminal_id=actor.terminal_id,
        merchant=actor.merchant_id,
        private_key_pem=actor.identity.private_key_pem,
        certificate_pem=actor.identity.certificate_pem,
        request_id="",
        certificate_request="",
    )


def _customer(name: str, phone: Phone) -> Customer:
    return Customer(
        name=name,
        login_name=phone.login_name,
        merchant="cafe",
        request_id="",
        password=PASSWORD,
        device_key_pem=phone.device_key.to_pem().decode(),
        customer_id=phone.customer_id,
        device_id=phone.device_id,
        session_token=phone.secret,
    )
