"""A real server whose every write and sync is written down, from its first one on.

What its clients learn is written down in the same record: `mark` hands a line to a `cat` that is
traced as well. strace sees every call before the caller goes on, so a mark that was made after an
answer stands in the record behind everything that the answer followed from.
"""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.crash.disk import PART, Disk, Event, events_of
from tests.crash.servers import Server, Site, started
from tests.crash.strace import database_files, traced

__all__ = ["Record", "recorded"]

SYNC_MICROSECONDS: Final = 4_000
"""How long a sync takes here: on a file system in memory it would take no time at all, and hardly
two calls would ever share one."""

_CALLS: Final = "pwrite64,write,fdatasync,fsync,ftruncate,unlink,openat"


class Record:
    """What one server wrote, on a folder as it was before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = Disk(file for file in database_files(folder) if file.exists())
        """The disk before the first event."""

        self._log = folder / "record"
        self._marks = folder / "marks"
        self._pipe: asyncio.StreamWriter

    def mark(self, text: str) -> None:
        """Note something that somebody outside knows from now on."""
        self._pipe.write(f"{text}\n".encode())

    async def begin(self, name: str) -> None:
        """Note that a part of the record begins, and wait until that is written down."""
        self.mark(f"{PART}{name}")
        while not self._marks.read_text().endswith(f"{PART}{name}\n"):  # noqa: ASYNC110 -- cat tells nobody
            await asyncio.sleep(0.001)

    def events(self) -> Iterator[Event]:
        """Read what happened."""
        return events_of(self._log, marks=self._marks)

    @asynccontextmanager
    async def made_of(self, server: Server, *faults: str) -> AsyncIterator[Site]:
        """Serve and write down, until the context ends; then the server is killed."""
        with self._marks.open("wb") as marks:
            marker = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=marks)
        assert marker.stdin is not None
        self._pipe = marker.stdin
        pid = await server.fork()
        options = [
            *("-y", "-xx", "-s", "1000000", f"--trace={_CALLS}"),
            *(f"--inject=fdatasync:delay_enter={SYNC_MICROSECONDS}", *faults),
            *(f"--trace-path={path}" for path in self._paths()),
        ]
        async with traced(pid, marker.pid, options=options, log=self._log):
            try:
                async with started(server) as site:
                    yield site
            finally:
                self._pipe.close()
                await marker.wait()

    def _paths(self) -> list[Path]:
        return [*database_files(self.folder), self.folder / "data", self._marks]


@asynccontextmanager
async def recorded(folder: Path, *faults: str, bug: str = "") -> AsyncIterator[tuple[Record, Site]]:
    """Start a server on a folder and give what it writes."""
    record = Record(folder)
    async with record.made_of(Server(folder, bug=bug), *faults) as site:
        yield record, site
