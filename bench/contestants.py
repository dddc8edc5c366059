"""Who is measured over the wire: the server at its gate, and the echo that only answers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, TypeVar

from bench.crowd import Crowd, codes_of
from bench.echo import BYTES, MESSAGES, Echo, path
from bench.load import AT_ONCE, Call, Played, Script, play
from bench.processes import processor_seconds
from bench.rounds import Taken
from bench.stream import Batches, stream

__all__ = ["ECHO_ITEMS", "Admissions", "Caller", "Echoes", "Exchanges", "Sales", "issue"]

ECHO_ITEMS: Final = 3
"""How many times as many items the echo is sent, which is as many times as fast."""

MESSAGES_AT_ONCE: Final = 4
"""Messages of a stream under way, so that the server need not wait for the next one."""

T = TypeVar("T")


class Caller:
    """Calls from the core of callers, and reads the server's processor time before and after."""

    def __init__(self, process: ProcessPoolExecutor) -> None:
        """Take the process that calls."""
        self._process = process

    async def play(self, pid: int, script: Script) -> tuple[Taken, Played]:
        """Return what the server with this pid took, and what was answered."""
        return await self._call(pid, play, script)

    async def stream(self, pid: int, batches: Batches) -> Taken:
        """Return what the server took for batches on a stream."""
        taken, _ = await self._call(pid, stream, batches)
        return taken

    async def _call(self, pid: int, work: Callable[[T], Played], given: T) -> tuple[Taken, Played]:
        before = processor_seconds(pid)
        played = await asyncio.get_running_loop().run_in_executor(self._process, work, given)
        processor = processor_seconds(pid) - before
        count = len(played.milliseconds)
        taken = Taken(
            per_second=count / played.seconds,
            processor_microseconds=1e6 * processor / count,
            load_share=played.load_share,
            milliseconds=played.milliseconds,
        )
        return taken, played


async def issue(crowd: Crowd, caller: Caller) -> tuple[Taken, list[str]]:
    """Let each phone fetch a code."""
    taken, played = await caller.play(crowd.pid, Script(crowd.phones_address, crowd.issue()))
    return taken, codes_of(played)


class Admissions:
    """One call each: the gate reads a code and lets its customer in. Also how codes are issued."""

    def __init__(self, crowd: Crowd, caller: Caller) -> None:
        """Take who comes, and who calls for them."""
        self._crowd = crowd
        self._caller = caller

    async def play(self) -> Mapping[str, Taken]:
        """Let everybody in once."""
        issued, codes = await issue(self._crowd, self._caller)
        script = Script(self._crowd.gate_address, self._crowd.admit(codes))
        admitted, _ = await self._caller.play(self._crowd.pid, script)
        return {"issue": issued, "admit": admitted}


class Sales:
    """Two calls each: the till reads a code and is told to give points, then says that it did."""

    def __init__(self, crowd: Crowd, caller: Caller) -> None:
        """Take who comes, and who calls for them."""
        self._crowd = crowd
        self._caller = caller

    async def play(self) -> Mapping[str, Taken]:
        """Sell to everybody once."""
        _, codes = await issue(self._crowd, self._caller)
        script = Script(self._crowd.gate_address, self._crowd.sell(codes))
        sold, _ = await self._caller.play(self._crowd.pid, script)
        return {"sale": sold}


class Exchanges:
    """The same admissions in batches over one stream."""

    def __init__(self, crowd: Crowd, caller: Caller, size: int) -> None:
        """Take who comes, who calls for them, and how many commands are in a message."""
        self._crowd = crowd
        self._caller = caller
        self._size = size

    async def play(self) -> Mapping[str, Taken]:
        """Let everybody in once."""
        _, codes = await issue(self._crowd, self._caller)
        at_once = max(MESSAGES_AT_ONCE, AT_ONCE // self._size)
        batches = self._crowd.exchange(codes, self._size, at_once)
        taken = await self._caller.stream(self._crowd.pid, batches)
        return {f"exchange, {self._size} at once": taken}


class Echoes:
    """The same calls at the echo."""

    def __init__(self, echo: Echo, caller: Caller, kind: str, items: Sequence[list[Call]]) -> None:
        """Take the kind of answers, and the very bytes that the server was sent."""
        self._echo = echo
        self._caller = caller
        self._kind = kind
        self._items = [*items] * ECHO_ITEMS

    async def play(self) -> Mapping[str, Taken]:
        """Call both services of the echo."""
        return {
            f"echo of {self._kind}": await self._call(BYTES),
            f"echo of {self._kind}, messages": await self._call(MESSAGES),
        }

    async def _call(self, service: str) -> Taken:
        items = [
            [call._replace(method=path(service, self._kind, call.rpc)) for call in item]
            for item in self._items
        ]
        taken, _ = await self._caller.play(self._echo.pid, Script(self._echo.address, items))
        return taken
