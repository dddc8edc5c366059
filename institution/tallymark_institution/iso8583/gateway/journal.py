"""The gateway's memory on disk: what was asked, answered and is to be sent, and the card vault.

A change is a rule: a function from what is remembered to what is remembered next. One thread takes
all rules that have arrived, applies them in order, and saves the lot in one synced transaction;
only then anybody learns of it. So a message that is sent was written down before.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar

import msgspec

from tallymark_institution.iso8583.gateway.authorisation import Authorisation, Trace

__all__ = ["Change", "Journal", "JournalUnusable", "NewSerial", "Rule", "open_database"]

NewSerial: TypeAlias = Callable[[], int]
"""Returns a number that no earlier message had."""

Rule: TypeAlias = Callable[[Authorisation | None, NewSerial], Authorisation | None]

_T = TypeVar("_T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS authorisations (
    authorisation_id TEXT PRIMARY KEY,
    arrived_at REAL NOT NULL,
    reference TEXT,
    gives_up_at REAL,
    sends_at REAL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_arrival ON authorisations (arrived_at, authorisation_id);
CREATE INDEX IF NOT EXISTS by_reference ON authorisations (reference)
    WHERE reference IS NOT NULL;
CREATE INDEX IF NOT EXISTS unanswered ON authorisations (gives_up_at)
    WHERE gives_up_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS unsent ON authorisations (sends_at)
    WHERE sends_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS cards (card_key TEXT PRIMARY KEY, sealed BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO numbers VALUES ('serial', 0);
"""

_SAVE: Final = "INSERT OR REPLACE INTO authorisations VALUES (?, ?, ?, ?, ?, ?)"


class JournalUnusable(Exception):
    """The journal cannot be used; the message says why and what to do."""


class Change(NamedTuple):
    """What a rule found, and what it left."""

    before: Authorisation | None
    after: Authorisation | None


class _Waiting(NamedTuple):
    authorisation_id: str
    rule: Rule
    done: "Future[Change]"


class Journal:
    """A journal that is open, and locked against a second gateway."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Take an open database that nobody else uses."""
        self._database = database
        self._serial: int = database.execute("SELECT value FROM numbers").fetchone()[0]
        self._waiting: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._failure: sqlite3.Error | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the file. Blocks: for use before serving. Raises JournalUnusable."""
        return cls(open_database(path))

    async def change(self, authorisation_id: str, rule: Rule) -> Change:
        """Apply a rule, and return what it changed when that is on disk.

        Raises what the rule raises, which changes nothing, and JournalUnusable.
        """
        waiting = _Waiting(authorisation_id, rule, Future())
        self._waiting.put(waiting)
        self._thread.submit(self._commit_waiting)
        return await asyncio.shield(asyncio.wrap_future(waiting.done))

    async def find(self, authorisation_id: str) -> Authorisation | None:
        """Return what is remembered, on disk, under this id."""
        return (await self.change(authorisation_id, lambda known, _: known)).after

    async def id_of(self, reference: str) -> str | None:
        """Return the id of the latest authorisation with this retrieval reference number."""
        rows = await self._select(
            "SELECT authorisation_id FROM authorisations WHERE reference = ?", reference
        )
        return rows[-1][0] if rows else None

    async def arrived(
        self, *, since: float, until: float, after: tuple[float, str], limit: int
    ) -> list[Authorisation]:
        """Return what first arrived in a span of time, oldest first, after this time and id."""
        rows = await self._select(
            "SELECT body FROM authorisations WHERE arrived_at >= ? AND arrived_at < ?"
            " AND (arrived_at, authorisation_id) > (?, ?)"
            " ORDER BY arrived_at, authorisation_id LIMIT ?",
            since,
            until,
            *after,
            limit,
        )
        return [msgspec.json.decode(row[0], type=Authorisation) for row in rows]

    async def unanswered(self, *, until: float, limit: int) -> list[str]:
        """Return ids of authorisations whose answer is not waited for any longer."""
        rows = await self._select(
            "SELECT authorisation_id FROM authorisations WHERE gives_up_at <= ?"
            " ORDER BY gives_up_at LIMIT ?",
            until,
            limit,
        )
        return [row[0] for row in rows]

    async def unsent(self, *, until: float, limit: int) -> list[str]:
        """Return ids of authorisations with a message that is due by then."""
        rows = await self._select(
            "SELECT authorisation_id FROM authorisations WHERE sends_at <= ?"
            " ORDER BY sends_at LIMIT ?",
            until,
            limit,
        )
        return [row[0] for row in rows]

    async def keep_card(self, card_key: str, sealed: bytes) -> None:
        """Keep a sealed card; the first one under a key stays."""
        await self._run(
            lambda: self._database.execute(
                "INSERT OR IGNORE INTO cards VALUES (?, ?)", (card_key, sealed)
            )
        )

    async def card(self, card_key: str) -> bytes | None:
        """Return the sealed card under this key."""
        rows = await self._select("SELECT sealed FROM cards WHERE card_key = ?", card_key)
        return rows[0][0] if rows else None

    def close(self) -> None:
        """Finish what has begun, and let go of the file. Blocks."""
        self._thread.shutdown()
        self._database.close()

    async def _select(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return await self._run(lambda: self._database.execute(statement, values).fetchall())

    async def _run(self, work: Callable[[], _T]) -> _T:
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)
        return await asyncio.shield(done)

    def _guarded(self, work: Callable[[], _T]) -> _T:
        """Do some work; after a failure there is no more, or it would rest on what is not there."""
        try:
            if self._failure is not None:
                raise self._failure
            return work()
        except sqlite3.Error as error:
            self._failure = error
            message = f"The journal failed: {error}. Start the gateway again."
            raise JournalUnusable(message) from error

    def _commit_waiting(self) -> None:
        """Apply all rules that have arrived by now, and tell of them when they are on disk."""
        arrived: list[_Waiting] = []
        with contextlib.suppress(queue.Empty):
            while True:
                arrived.append(self._waiting.get_nowait())
        if not arrived:
            return
        try:
            outcomes = self._guarded(lambda: self._commit(arrived))
        except BaseException as error:  # noqa: BLE001 -- who waits has to learn of it
            for waiting in arrived:
                waiting.done.set_exception(error)
            return
        for waiting, outcome in zip(arrived, outcomes, strict=True):
            if isinstance(outcome, Change):
                waiting.done.set_result(outcome)
            else:
                waiting.done.set_exception(outcome)

    def _commit(self, arrived: list[_Waiting]) -> list[Change | Exception]:
        serial = self._serial
        self._database.execute("BEGIN IMMEDIATE")
        outcomes = [self._apply(each.authorisation_id, each.rule) for each in arrived]
        if self._serial != serial:
            self._database.execute("UPDATE numbers SET value = ?", (self._serial,))
        self._database.execute("COMMIT")
        return outcomes

    def _apply(self, authorisation_id: str, rule: Rule) -> Change | Exception:
        row = self._database.execute(
            "SELECT body FROM authorisations WHERE authorisation_id = ?", (authorisation_id,)
        ).fetchone()
        before = None if row is None else msgspec.json.decode(row[0], type=Authorisation)
        try:
            after = rule(before, self._new_serial)
        except Exception as error:  # noqa: BLE001 -- it is its caller's, and changes nothing
            return error
        if after is not None and after != before:
            self._database.execute(_SAVE, _row(after))
        return Change(before, after)

    def _new_serial(self) -> int:
        self._serial += 1
        return self._serial


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make a journal's file: synced, and locked against others. Raises JournalUnusable."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        message = f"{path} cannot be opened: {error.strerror}. Name a file that may be written."
        raise JournalUnusable(message) from error
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_SCHEMA)
    except sqlite3.Error as error:
        database.close()
        message = (
            f"{path} cannot be used: {error}. Stop the gateway that uses it, or name another file."
        )
        raise JournalUnusable(message) from error
    return database


def _row(known: Authorisation) -> tuple[object, ...]:
    trace: Trace | None = known.trace
    return (
        known.authorisation_id,
        known.arrived_at,
        None if trace is None else trace.reference,
        known.gives_up_at if known.is_unanswered else None,
        None if known.errand is None else known.errand.due_at,
        msgspec.json.encode(known),
    )
