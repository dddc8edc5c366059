"""Real server processes on free ports, and actors who call them."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallymark_protocol.enrolment_file import EnrolmentFile
from tests.world.operator import Operator
from tests.world.phone import Phone
from tests.world.terminal import Terminal
from tests.world.world import World

__all__ = ["DEADLINE_SECONDS", "Program", "Town", "institution", "server", "town"]

DEADLINE_SECONDS: Final = 60
"""Never reached by a test that passes."""

OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)

SERVER: Final = "from tallymark_server.main import main; main()"
INSTITUTION: Final = "from tallymark_institution.main import main; main()"


class Program:
    """A running program whose every line is read, so that it never waits for its reader."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())
        self._said: list[tuple[str, asyncio.Event]] = []

    @classmethod
    async def start(cls, code: str, *arguments: str) -> "Program":
        """Run Python code with arguments."""
        command = [sys.executable, "-c", code, *arguments]
        return cls(await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    async def says(self, text: str) -> None:
        """Wait for a line with this text, or for the end."""
        heard = asyncio.Event()
        self._said.append((text, heard))
        self._notice()
        await asyncio.wait_for(heard.wait(), DEADLINE_SECONDS)

    async def ended(self) -> int:
        """Wait for the end and return the exit code."""
        code = await asyncio.wait_for(self.process.wait(), DEADLINE_SECONDS)
        await self._reading
        return code

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.process.returncode is None:
            self.send(signal.SIGKILL)
        await self.ended()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        async with asyncio.TaskGroup() as tasks:
            for stream in (self.process.stdout, self.process.stderr):
                tasks.create_task(self._read_stream(stream))
        for _, heard in self._said:
            heard.set()

    async def _read_stream(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.lines.append(line.decode().rstrip())
            self._notice()

    def _notice(self) -> None:
        for text, heard in self._said:
            if self._reading.done() or any(text in line for line in self.lines):
                heard.set()


@asynccontextmanager
async def institution(folder: Path) -> AsyncIterator[tuple[Program, int]]:
    """Run a credit institution that remembers, and give it with its port."""
    ready = folder / "institution.json"
    arguments = ["--data", str(folder / "institution"), "--ready-file", str(ready), "--print"]
    program = await Program.start(INSTITUTION, "simulate", *arguments)
    try:
        await program.says("Listening on port")
        yield program, int(json.loads(await asyncio.to_thread(ready.read_text))["port"])
    finally:
        await program.kill()


@dataclass(kw_only=True)
class ServedApp:
    """What a world has to know of its server."""

    port: int
    terminal_port: int
    operator_port: int
    operator_code: str


class Town(World):
    """A world whose server is a process that may die; its actors can be connected again."""

    def __init__(
        self, program: Program, app: ServedApp, ca_pem: str, stack: AsyncExitStack
    ) -> None:
        self.program = program
        self.ca_pem = ca_pem
        self.app = app  # type: ignore[assignment]  # the part of an App that can be seen from outside
        self._stack = stack

    async def connect_again(self, *actors: Operator | Phone | Terminal) -> None:
        """Let actors of an earlier server call this one."""
        for actor in actors:
            await self.connect(actor, OWN_CONNECTION)


async def server(folder: Path, institution_port: int, *more: str, code: str = SERVER) -> Program:
    """Start a server on the folder's data."""
    return await Program.start(
        code,
        *("--data", str(folder / "data"), "--ready-file", str(folder / "server.json")),
        *("--listen", "127.0.0.1:0", "--terminal-listen", "127.0.0.1:0"),
        *("--operator-listen", "127.0.0.1:0"),
        *("--institution", f"127.0.0.1:{institution_port}"),
        *more,
    )


@asynccontextmanager
async def town(
    folder: Path,
    institution_port: int = 1,
    *,
    code: str = SERVER,
    options: tuple[str, ...] = (),
    furnished: bool = False,
) -> AsyncIterator[Town]:
    """Run a server; at its first start also enrol the operator and furnish it."""
    async with AsyncExitStack() as stack:
        program = await server(folder, institution_port, *options, code=code)
        stack.push_async_callback(program.kill)
        await program.says("serving on port")
        assert program.process.returncode is None, program.output
        ready = json.loads(await asyncio.to_thread((folder / "server.json").read_text))
        enrolment = folder / "data" / "operator-enrolment-code"
        is_new = await asyncio.to_thread(os.path.exists, enrolment)
        operator_code = ""
        if is_new:
            text = await asyncio.to_thread(enrolment.read_text)
            operator_code = EnrolmentFile.parse(text).enrolment_code
        app = ServedApp(
            port=ready["port"],
            terminal_port=ready["terminal_port"],
            operator_port=ready["operator_port"],
            operator_code=operator_code,
        )
        ca_pem = await asyncio.to_thread(Path(ready["ca_file"]).read_text)
        async with AsyncExitStack() as channels:
            made = Town(program, app, ca_pem, channels)
            if is_new and not furnished:
                made.operator = await made.add_operator()
                await made.furnish()
            yield made
