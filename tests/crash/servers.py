"""Real servers that may die at any moment, started fast enough to be started thousands of times.

Each is a process of its own that runs the whole of `tallymark_server.main`; only the imports were
done before, in the process that it is forked from. It says what a server says, and ends as one.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tallymark_institution.app import Options, serving
from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_server.clock import SystemClock
from tallymark_server.keyring import Keyring
from tests.crash.forked import be_server
from tests.world.actor import Actor
from tests.world.operator import Operator
from tests.world.phone import Phone
from tests.world.stage import Stage
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["DEADLINE_SECONDS", "Server", "Site", "actors_of", "institution", "started"]

DEADLINE_SECONDS: Final = 200.0
"""Never reached by a test that passes."""

_OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)

_UNLIMITED: Final = tuple(
    word
    for name in ("customer", "terminal", "address", "strangers")
    for word in (f"--{name}-rate", "1000000", "1000000")
)
"""Whoever tries a thousand crashes calls more often than a customer may."""

LOOK_SECONDS: Final = 0.005
"""Between two looks whether a process whose output has ended has ended itself."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.crash.forked"])


class Server:
    """A server process, its lines, and its end."""

    def __init__(self, folder: Path, *options: str, bug: str = "") -> None:
        """Take the folder of its data, and the name of a planted bug if it is to have one."""
        self.folder = folder
        self._ready = folder / "server.json"
        self._ready.unlink(missing_ok=True)
        self._output, theirs = _forks.Pipe(duplex=False)
        told, self._go = _forks.Pipe(duplex=False)
        arguments = [*arguments_of(folder, self._ready), *options]
        self._process = _forks.Process(target=be_server, args=(arguments, bug, theirs, told))
        self._given = (theirs, told)
        self._text = bytearray()
        self._heard = asyncio.Event()

    async def fork(self) -> int:
        """Make the process, which waits before it starts to serve, and return its id."""
        # Never in another thread: each start looks after the processes that have ended, and of two
        # who do so at once one learns nothing.
        self._process.start()
        for theirs in self._given:
            theirs.close()
        asyncio.get_running_loop().add_reader(self._output.fileno(), self._read)
        assert self._process.pid is not None
        return self._process.pid

    async def serve(self) -> None:
        """Let it serve, and wait until it does, or has ended."""
        self._go.send_bytes(b"go")
        await self.says("serving on port")
        if not self.is_running:
            message = f"the server did not start: {self.output}"
            raise RuntimeError(message)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_forked(self) -> bool:
        return self._process.pid is not None

    @property
    def is_running(self) -> bool:
        return not self._output.closed

    @property
    def output(self) -> str:
        return self._text.decode(errors="replace")

    @property
    def ready(self) -> dict[str, str]:
        """What the ready file says."""
        ready: dict[str, str] = json.loads(self._ready.read_text())
        return ready

    async def says(self, text: str) -> None:
        """Wait for a line with this text, or for the end."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while text not in self.output and not self._output.closed:
                self._heard.clear()
                await self._heard.wait()

    async def ended(self) -> int:
        """Wait for the end and return the exit code; a signal's number is negative."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self._output.closed:
                self._heard.clear()
                await self._heard.wait()
            # Not joined, because whoever traces it must go on meanwhile.
            while self._process.exitcode is None:  # noqa: ASYNC110 -- nobody tells of it
                await asyncio.sleep(LOOK_SECONDS)
        return self._process.exitcode

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it, unless it has ended."""
        if self._process.pid is None:
            return
        if not self._output.closed:
            self.send(signal.SIGKILL)
        await self.ended()
        self._go.close()
        self._process.close()

    def _read(self) -> None:
        lines = b""
        with contextlib.suppress(OSError):
            lines = os.read(self._output.fileno(), 65_536)
        if lines:
            self._text += lines
        else:
            asyncio.get_running_loop().remove_reader(self._output.fileno())
            self._output.close()
        self._heard.set()


def arguments_of(folder: Path, ready: Path) -> list[str]:
    """Return the command line of a server on free ports."""
    institution_port = (folder / "institution-port").read_text()
    return [
        *("--data", str(folder / "data"), "--ready-file", str(ready)),
        *("--listen", "127.0.0.1:0", "--terminal-listen", "127.0.0.1:0"),
        *("--operator-listen", "127.0.0.1:0"),
        *("--institution", f"127.0.0.1:{institution_port}"),
        *_UNLIMITED,
    ]


class _Ports(NamedTuple):
    """What a world has to know of its server."""

    port: int
    terminal_port: int
    operator_port: int
    operator_code: str


class _PrintedNumbers:
    """The verification codes that servers printed instead of sending them."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers

    @property
    def codes(self) -> "_PrintedNumbers":
        return self

    def __getitem__(self, telephone_number: str) -> str:
        line = f"the number ending in {telephone_number[-4:]} is "
        printed = "".join(server.output for server in self._servers)
        return printed.rpartition(line)[2].split()[0]


class Site(World):
    """A world whose server is a process; its actors can be connected to the next one."""

    def __init__(self, server: Server, stack: AsyncExitStack, operator_code: str) -> None:
        ready = server.ready
        self.server = server
        self.ca_pem = Path(ready["ca_file"]).read_text()
        self.app = _Ports(  # type: ignore[assignment]  # the part of an App that is seen outside
            int(ready["port"]),
            int(ready["terminal_port"]),
            int(ready["operator_port"]),
            operator_code,
        )
        self.clock = SystemClock()  # type: ignore[assignment]  # the server's own shows the same
        self._stack = stack
        self.comes_after()

    def comes_after(self, *servers: Server) -> None:
        """Know what earlier servers on the same folder printed."""
        self.numbers = _PrintedNumbers((*servers, self.server))  # type: ignore[assignment]  # the same

    @property
    def keyring(self) -> Keyring:  # type: ignore[override]  # read from its files, as they are now
        return Keyring.open(self.server.folder / "data" / "keys", make_missing=False)

    async def connect_again(self, *actors: Actor) -> None:
        """Let actors of an earlier server call this one."""
        for actor in actors:
            await self.connect(actor, _OWN_CONNECTION)


@asynccontextmanager
async def started(server: Server) -> AsyncIterator[Site]:
    """Start a server and give the world around it."""
    try:
        if not server.is_forked:
            await server.fork()
        await server.serve()
        async with AsyncExitStack() as channels:
            enrolment = server.folder / "data" / "operator-enrolment-code"
            code = ""
            if enrolment.exists():
                code = EnrolmentFile.parse(enrolment.read_text()).enrolment_code
            yield Site(server, channels, code)
    finally:
        await server.kill()


@asynccontextmanager
async def institution() -> AsyncIterator[int]:
    """Serve a credit institution that outlives every server, and give its port."""
    async with serving(Options(listen="127.0.0.1:0"), grace_seconds=0) as port:
        yield port


def actors_of(stage: Stage) -> tuple[Operator | Phone | Terminal, ...]:
    """Return everybody on the stage."""
    return (stage.operator, stage.ana, stage.bob, stage.till, stage.other_till, stage.gate)
