"""Which processes are open, which wait for a person, and how they end: kept up from commits.

The table of processes grows by every scan, so nobody counts its rows. What is open has open work
or waits for a person, so the start reads these two short indexes, and every commit says the rest.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, TypeVar

from tallymark_server.domain.model.processes import (
    CALL,
    TIMER,
    Code,
    CodeState,
    CustomerProcess,
    Due,
    Process,
    ProcessState,
    Unresolved,
)
from tallymark_server.domain.state import Row
from tallymark_server.lanes.lane import Changes
from tallymark_server.storage.store import Store

__all__ = ["ProcessWatch"]

R = TypeVar("R", bound=Row)

_COUNTED: Final = frozenset((Code, CustomerProcess, Due, Process, Unresolved))
"""The tables of these rows are looked at; all others are passed by."""

_PAGE_ROWS: Final = 500
"""Rows that are read at a time, so that nothing else of the store waits long."""


class ProcessWatch:
    """Counts of processes and codes. `start` once, then `notice` every commit."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._open: dict[str, ProcessState] = {}
        self._unresolved: set[str] = set()
        self._due: dict[str, set[str]] = {TIMER: set(), CALL: set()}
        self.open = dict.fromkeys(ProcessState, 0)
        """Processes that have not ended, by state."""

        self.ended = dict.fromkeys(ProcessState, 0)
        """Processes that ended since the start, by the state they ended in."""

        self.codes = dict.fromkeys(CodeState, 0)
        """Codes that came into each state since the start."""

    @property
    def unresolved(self) -> int:
        """How many processes wait for a person."""
        return len(self._unresolved)

    @property
    def due(self) -> dict[str, int]:
        """How much work of each kind is written down, whether its time has come or not."""
        return {kind: len(keys) for kind, keys in self._due.items()}

    async def start(self, store: Store, partitions: Sequence[int]) -> None:
        """Read what a server before has left open. Nothing may be decided meanwhile.

        Raises:
            StoreFailed: the store failed.

        """
        for partition in partitions:
            async for due in _rows(store, Due, partition):
                for row in due:
                    self._due[row.kind].add(row.text)
                await self._take_in(store, {row.process_id for row in due})
            async for waiting in _rows(store, Unresolved, partition):
                self._unresolved.update(row.process_id for row in waiting)
                await self._take_in(store, {row.process_id for row in waiting})

    def notice(self, changes: Changes) -> None:
        """Take in a commit."""
        born: set[str] = set()
        processes: list[Process] = []
        for key, row in changes.items():
            table = key.table
            if table not in _COUNTED:
                continue
            if table is Due or table is Unresolved:
                keys = self._due[_kind(key.text)] if table is Due else self._unresolved
                (keys.discard if row is None else keys.add)(key.text)
            elif isinstance(row, Process):
                processes.append(row)
            elif isinstance(row, CustomerProcess):
                born.add(row.process_id)
            elif isinstance(row, Code):
                self.codes[row.state] += 1
        for process in processes:
            self._notice(process, is_born=process.process_id in born)

    def _notice(self, process: Process, *, is_born: bool) -> None:
        """Keep a process up. One that ended before may change still, as its money follows."""
        before = self._open.pop(process.process_id, None)
        if before is not None:
            self.open[before] -= 1
        if not process.is_final:
            self._open[process.process_id] = process.state
            self.open[process.state] += 1
        elif before is not None or is_born:
            self.ended[process.state] += 1

    async def _take_in(self, store: Store, process_ids: Iterable[str]) -> None:
        keys = [Process.key_of(process_id) for process_id in process_ids]
        for row in (await store.load(keys)).values():
            if isinstance(row, Process):
                self._notice(row, is_born=False)


def _kind(due_text: str) -> str:
    """Return the kind in the key of due work, where it stands first."""
    return due_text.partition("/")[0]


async def _rows(store: Store, table: type[R], partition: int) -> AsyncIterator[list[R]]:
    """Yield all rows of a table, page by page."""
    first = ""
    while rows := await store.scan(table, partition, first=first, limit=_PAGE_ROWS):
        yield rows
        first = f"{rows[-1].text}\0"
