"""A walk over the write and sync boundaries of one RPC in the real server process.

At each boundary the server is killed, or its disk fails, and another server starts on what is left.
Then the request is sent again under the same id, into the next boundary, until it goes through.
What a crash leaves is the request as a whole, or nothing of it; what was answered is there, and
answered the same when it is asked for again.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import grpc

from tallymark_protocol.errors import NotDone, Refused, from_call
from tests.crash.found import Found, examine, scratch
from tests.crash.servers import Server, Site, institution, started
from tests.crash.strace import SYNC, WRITE, attached, database_files
from tests.integration.repetition.test_repetition import fixed_part
from tests.world.calls import Call, send
from tests.world.contract import RPCS, Rpc
from tests.world.samples import SAMPLES
from tests.world.signed_requests import sign_in_request
from tests.world.stage import Stage

__all__ = [
    "CHANGING_RPCS",
    "FAULTS",
    "NOT_WALKED",
    "Fault",
    "Ground",
    "Walked",
    "sample_of",
    "walk",
]

NOT_WALKED: Final = {
    "OperatorService/Backup": "copies the database, and changes nothing in it",
    "OperatorService/ReconcileDay": "compares, and changes nothing",
    "OperatorService/FinishRecovery": "is refused unless the server was restored from a backup",
    "TerminalService/Exchange": "carries the commands of other RPCs",
    "TerminalService/ReportSales": "is refused unless the server was restored from a backup",
}
"""What is not among the changing RPCs here, and why."""

CHANGING_RPCS: Final = tuple(
    rpc
    for rpc in RPCS
    if not rpc.name.startswith(("Get", "List", "Watch")) and rpc.path not in NOT_WALKED
)
"""Whatever a contract adds is among them, unless its name says that it only reads."""

_TRIES: Final = "password_tries"
"""Counted before a password is looked at, whatever comes of the request."""

_STARTING: Final = "server/start"
"""Who journals that a server was started."""

_CALLS_LEFT: Final = "SELECT count(*) FROM due WHERE key < 'timer'"
_KILLED: Final = -9
_STORE_FAILED: Final = 3
_BOUNDARIES_MAX: Final = 400

_IN_VAIN_MAX: Final = 3
"""Fresh requests in a row that may be refused: a machine can be so slow that their time is over."""


class Fault(NamedTuple):
    """What happens to a system call, in strace's words, and how the server ends by it."""

    name: str
    injected: str
    lasts: bool
    exit_code: int
    says: str


FAULTS: Final = (
    Fault("killed", "signal=SIGKILL", lasts=False, exit_code=_KILLED, says=""),
    Fault("EIO", "error=EIO", lasts=False, exit_code=_STORE_FAILED, says="the disk reports an"),
    Fault("ENOSPC", "error=ENOSPC", lasts=True, exit_code=_STORE_FAILED, says="the d"),
)
"""A killed process, a disk that fails once, and one that is full and stays so."""


@dataclass
class Walked:
    """What a walk counted."""

    boundaries: int = 0
    """Boundaries at which the fault really happened."""

    recovered: int = 0
    """Of these, how often a server started on what was left and served."""

    found_whole: int = 0
    """Of these, how often the request was there although nobody had its answer."""

    acknowledged: int = 0
    lost: int = 0
    """Answered, and not there or answered otherwise afterwards."""

    broken: list[str] = field(default_factory=list)
    """What else is not as promised."""

    def add(self, other: Self) -> None:
        self.boundaries += other.boundaries
        self.recovered += other.recovered
        self.found_whole += other.found_whole
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.broken += other.broken


class Ground:
    """A furnished server's folder, from which every walk starts, and who was enrolled there."""

    def __init__(self, folder: Path, stage: Stage, server: Server) -> None:
        self._folder = folder
        self._stage = stage
        self._server = server
        self.changed_by_starts: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def prepared(cls) -> AsyncIterator[Self]:
        """Furnish a server, and stop it."""
        with scratch() as folder:
            async with institution() as port:
                (folder / "institution-port").write_text(str(port))
                async with started(Server(folder)) as site:
                    site.operator = await site.add_operator()
                    await site.furnish()
                    ground = cls(folder, await Stage.set_up(site), site.server)
                await ground._look_at_starts()
                yield ground

    async def stage_on(self, site: Site) -> Stage:
        """Return the stage with everybody connected to this server."""
        stage = copy(self._stage)
        for name, actor in vars(self._stage).items():
            if hasattr(actor, "stub"):
                setattr(stage, name, copy(actor))
                await site.connect_again(getattr(stage, name))
        stage.world = site
        site.operator = stage.operator
        site.comes_after(self._server)
        return stage

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """Give a folder of one's own."""
        with scratch() as folder:
            shutil.copytree(self._folder, folder, dirs_exist_ok=True)
            yield folder

    async def _look_at_starts(self) -> None:
        """Learn what a start changes by itself."""
        with self.copied() as folder:
            before = examine(database_files(folder))
            for _ in range(2):
                async with started(Server(folder)):
                    pass
            self.changed_by_starts = examine(database_files(folder)).changed_since(before)


async def sample_of(rpc: Rpc, stage: Stage) -> Any:
    """Return a request that changes something."""
    if rpc.name == "UnlockPassword":
        await stage.ana.reason("SignIn", sign_in_request(stage.ana, password="wrong"))
    return await SAMPLES[rpc.path](stage)


class _End(Enum):
    """How a request ended."""

    NOTHING = "the fault happened, and nothing is there"
    WHOLE = "the fault happened, and the request is there"
    ANSWERED = "no fault happened: the boundary is beyond the last one"
    TOO_LATE = "no fault happened: the request was refused, because its time was over"


async def walk(
    ground: Ground,
    rpc: Rpc,
    fault: Fault,
    *,
    bug: str = "",
    numbers: Iterable[int] = (),
) -> Walked:
    """Walk over the writes of a request, then over its syncs, as far as there are any.

    With `numbers`, only those of the writes and those of the syncs are tried.
    """
    walked = Walked()
    for system_call in (WRITE, SYNC):
        left = iter(numbers or range(1, _BOUNDARIES_MAX))
        number, in_vain = next(left, None), 0
        while number is not None:
            with ground.copied() as folder:
                request = await _Request.prepared(ground, rpc, folder, walked, bug)
                end, strikes = _End.NOTHING, 0
                while number is not None and end is _End.NOTHING:
                    end = await request.strike(fault, system_call, number)
                    strikes += 1
                    if end is not _End.TOO_LATE:
                        number = None if end is _End.ANSWERED else next(left, None)
                if end is not _End.TOO_LATE:
                    await request.repeat()
                in_vain = in_vain + 1 if end is _End.TOO_LATE and strikes == 1 else 0
                assert in_vain < _IN_VAIN_MAX, f"{rpc.path} is refused: {request.refused}"
    return walked


class _Request:
    """A request that is sent again and again, to one server after another on the same folder."""

    def __init__(self, ground: Ground, rpc: Rpc, folder: Path, walked: Walked, bug: str) -> None:
        self._ground = ground
        self._rpc = rpc
        self._folder = folder
        self._walked = walked
        self._bug = bug
        self._request: Any = None
        self._before: Found
        self._answer: Any = None
        self._has_crashed = False
        self.refused: Refused | None = None

    @classmethod
    async def prepared(
        cls, ground: Ground, rpc: Rpc, folder: Path, walked: Walked, bug: str
    ) -> Self:
        """Do what comes before the request, without any fault."""
        request = cls(ground, rpc, folder, walked, bug)
        async with started(Server(folder)) as site:
            request._request = await sample_of(rpc, await ground.stage_on(site))
            await _quiet(site.server)
        request._before = examine(database_files(folder))
        return request

    async def strike(self, fault: Fault, system_call: str, number: int) -> _End:
        """Send the request to a server that the fault meets at this boundary."""
        try:
            return await self._struck(fault, system_call, number)
        except Refused as refused:
            self.refused = refused
            return _End.TOO_LATE

    async def _struck(self, fault: Fault, system_call: str, number: int) -> _End:
        at = f"{number}+" if fault.lasts else str(number)
        async with self._next_server(self._bug) as site:
            call = await self._call(site)
            async with attached(
                site.server.pid,
                paths=database_files(self._folder),
                call=system_call,
                fault=fault.injected,
                at=at,
            ):
                self._answer = await _answer_of(call, site.server)
                if self._answer is not None:
                    self._walked.acknowledged += 1
                    await _quiet(site.server)
                elif site.server.is_running:
                    await site.server.ended()
            has_happened = not site.server.is_running
            if has_happened:
                await self._see_end(site.server, fault)
        is_there = self._is_there()
        if self._answer is not None and not is_there:
            self._lose("was answered and is not there")
        if not has_happened:
            return _End.ANSWERED
        if not is_there:
            return _End.NOTHING
        self._walked.found_whole += self._answer is None
        return _End.WHOLE

    async def repeat(self) -> None:
        """Send the request twice more, to a server that starts on what is there now."""
        async with self._next_server() as site:
            call = await self._call(site)
            for _ in range(2):
                try:
                    answer = await send(call)
                except grpc.aio.AioRpcError as error:
                    self._lose(f"is refused when it is repeated: {error.details()}")
                    return
                is_known = "request_id" in self._rpc.request_type.fields_by_name
                if self._answer is not None and is_known and not self._same(answer):
                    self._lose("is answered otherwise when it is repeated")
                self._answer = answer
            await _quiet(site.server)
        if not self._is_there():
            self._lose("is not there although it was answered")

    @asynccontextmanager
    async def _next_server(self, bug: str = "") -> AsyncIterator[Site]:
        """Start on what the server before has left."""
        async with started(Server(self._folder, bug=bug)) as site:
            self._walked.recovered += self._has_crashed
            self._has_crashed = False
            yield site

    async def _call(self, site: Site) -> Call:
        stage = await self._ground.stage_on(site)
        return Call(stage.caller_of(self._rpc), self._rpc.name, self._request)

    async def _see_end(self, server: Server, fault: Fault) -> None:
        self._walked.boundaries += 1
        self._has_crashed = True
        code = await server.ended()
        if code != fault.exit_code or fault.says not in server.output:
            self._complain(f"ends with exit code {code} by {fault.name}: {server.output[-300:]}")

    def _is_there(self) -> bool:
        """Say whether a crash left the request; demand that it left all of it or nothing."""
        found = examine(database_files(self._folder))
        for text in found.faults:
            self._complain(text)
        changed = found.changed_since(self._before) - self._ground.changed_by_starts
        if self._rpc.name != "UnlockPassword":
            changed.discard(_TRIES)
        request_id = getattr(self._request, "request_id", "")
        entries = found.journal[len(self._before.journal) :]
        mine = [one for one in entries if request_id in one.payload and one.caller != _STARTING]
        signs = {bool(changed), bool(mine)}
        if request_id:
            signs.add(request_id in found.request_ids)
        if len(signs) > 1:
            self._complain(f"is there in part: {changed} and {len(mine)} journal entries")
        return bool(changed)

    def _same(self, answer: Any) -> bool:
        return fixed_part(self._rpc, answer) == fixed_part(self._rpc, self._answer)

    def _lose(self, text: str) -> None:
        self._walked.lost += 1
        self._complain(text)

    def _complain(self, text: str) -> None:
        self._walked.broken.append(f"{self._rpc.path} {text}")


async def _answer_of(call: Call, server: Server) -> Any:
    """Send a request, again when the machine was too busy; return None if there is no answer.

    Raises:
        Refused: codes and signatures have their time, and many crashes take longer.

    """
    while server.is_running:
        try:
            return await send(call)
        except grpc.aio.AioRpcError as error:
            why = from_call(error)
            if isinstance(why, Refused):
                raise why from None
            too_busy = isinstance(why, NotDone)
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED and not too_busy:
                return None
    return None


async def _quiet(server: Server) -> None:
    """Wait until nothing is left to tell the institution, or the server has ended."""
    database, _ = database_files(server.folder)
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        while server.is_running and connection.execute(_CALLS_LEFT).fetchone() != (0,):  # noqa: ASYNC110 -- it is in another process
            await asyncio.sleep(0.01)
    finally:
        connection.close()
