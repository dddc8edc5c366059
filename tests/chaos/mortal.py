"""A server process that is killed and started again on the same data, and who looks on.

Every actor reaches it over a line of its own, whose other end follows the server to its new port.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

from tallymark.v1 import customer_service_pb2_grpc, terminal_service_pb2_grpc
from tallymark_protocol.tls import open_channel
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.registrations import PointsAccount
from tallymark_server.keys.cells import Cells
from tallymark_server.keys.folder import KeyFolder
from tallymark_server.storage.sqlite_table import RowTable
from tests.chaos.desk import QUICK_LINES
from tests.chaos.proxy import FaultProxy, fault_proxy
from tests.e2e.served import SERVER, Program, server
from tests.world.phone import Phone
from tests.world.terminal import Terminal

__all__ = ["UNLIMITED", "Mortal", "Onlooker", "mortal"]

UNLIMITED: Final = tuple(
    part
    for who in ("customer", "terminal", "address", "strangers")
    for part in (f"--{who}-rate", "100000", "100000")
)
"""Options with which nobody is turned away for calling often."""

ACCOUNTS_MAX: Final = 1_000


class Mortal:
    """A server that dies and comes back."""

    def __init__(self, folder: Path, institution_port: int, *, code: str, ca_pem: str) -> None:
        """Take the data of a server that has stopped, and how to start the next one."""
        self.kills = 0
        self.proxies: list[FaultProxy] = []
        self._folder = folder
        self._institution_port = institution_port
        self._code = code
        self._ca_pem = ca_pem
        self._ports: dict[str, Any] = {}
        self._program: Program
        self._followers: list[tuple[FaultProxy, str]] = []
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start the server; lines lead to it from now on."""
        self._program = await server(
            self._folder, self._institution_port, *UNLIMITED, code=self._code
        )
        await self._program.says("serving on port")
        assert self._program.process.returncode is None, self._program.output
        ready = await asyncio.to_thread((self._folder / "server.json").read_text)
        self._ports = json.loads(ready)
        for proxy, port_name in self._followers:
            proxy.server_port = self._ports[port_name]

    async def kill(self) -> None:
        """Kill it, as a crash does: nothing is finished, nothing is closed."""
        self.kills += 1
        await self._program.kill()

    async def die_every(
        self, seconds: float, until: asyncio.Event, *, kills_max: float = float("inf")
    ) -> None:
        """Kill it and start the next one, again and again; it runs in the end."""
        while not until.is_set() and self.kills < kills_max:
            try:
                await asyncio.wait_for(until.wait(), seconds)
            except TimeoutError:
                await self.kill()
                await self.start()

    async def stop(self) -> None:
        """Let it end by itself, and the lines with it."""
        self._program.process.terminate()
        await self._program.ended()

    async def connect(self, actor: Phone | Terminal) -> FaultProxy:
        """Give an actor a line of its own, and return it."""
        stub: Any = customer_service_pb2_grpc.CustomerServiceStub
        port_name = "port"
        if isinstance(actor, Terminal):
            stub, port_name = terminal_service_pb2_grpc.TerminalServiceStub, "terminal_port"
        proxy = await self._stack.enter_async_context(fault_proxy(self._ports[port_name]))
        channel = open_channel(
            f"127.0.0.1:{proxy.port}",
            ca_certificates_pem=self._ca_pem,
            identity=actor.identity,
            options=QUICK_LINES,
        )
        self._stack.push_async_callback(channel.close)
        actor.stub = stub(channel)
        self._followers.append((proxy, port_name))
        self.proxies.append(proxy)
        return proxy

    def fired(self) -> Counter[str]:
        """Return how often each fault of the lines really happened."""
        return sum((proxy.fired for proxy in self.proxies), Counter())

    async def close(self) -> None:
        """End the lines, and the server if it runs."""
        await self._stack.aclose()
        await self._program.kill()


@asynccontextmanager
async def mortal(
    folder: Path, institution_port: int, *, ca_pem: str, code: str = SERVER
) -> AsyncIterator[Mortal]:
    """Run a server on the folder's data."""
    made = Mortal(folder, institution_port, code=code, ca_pem=ca_pem)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


class Onlooker:
    """Reads points accounts from the database of a server, whether it runs or not.

    Each look is one statement, so it sees one state between two transactions.
    """

    def __init__(self, data: Path) -> None:
        """Take the server's data folder."""
        self._database = f"file:{data / 'tallymark.sqlite3'}?mode=ro"
        self._table = RowTable(PointsAccount, Cells(KeyFolder.open(data / "keys")))

    async def look(self) -> Sequence[PointsAccount]:
        """Return all accounts, the issuer's among them; none while a dead server's log is open."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> Sequence[PointsAccount]:
        try:
            with closing(sqlite3.connect(self._database, uri=True)) as connection:
                return self._table.scan(
                    connection,
                    DIRECTORY,
                    first="",
                    last="\U0010ffff",
                    limit=ACCOUNTS_MAX,
                    newest_first=False,
                )
        except sqlite3.OperationalError:  # the log of a killed server is not recovered yet
            return ()
