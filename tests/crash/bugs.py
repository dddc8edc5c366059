"""Planted bugs: what a server does that has one of them. Each is put into a process of its own."""

# ruff: noqa: SLF001 -- bugs are planted inside

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from tallymark_server.lanes.lane import Lane
from tallymark_server.storage import sqlite, sqlite_checkpoints, sqlite_database

__all__ = [
    "answers_before_it_saves",
    "copies_the_log_often",
    "goes_on_after_a_failure",
    "lets_sqlite_copy_the_log",
    "saves_in_two_transactions",
    "syncs_at_checkpoints_only",
]


def answers_before_it_saves() -> None:
    """Let the lane answer, and save afterwards, as a write-behind cache does."""
    sound = Lane._save

    async def answer_then_save(self: Lane, batch: Any) -> None:
        for answer, outcome in batch.outcomes:
            if not answer.done():
                answer.set_result(outcome)
        await asyncio.to_thread(time.sleep, 0.02)  # a disk as slow as disks are
        await sound(self, batch)

    Lane._save = answer_then_save  # type: ignore[method-assign]  # the bug


def syncs_at_checkpoints_only() -> None:
    """Let SQLite run with `synchronous=NORMAL`, as many programs do."""

    def make_durable(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    vars(sqlite_database)["make_durable"] = make_durable


def saves_in_two_transactions() -> None:
    """Commit after every statement, so that a save is no longer all or nothing."""

    def in_pieces(connection: Any, work: Callable[[Any], Any]) -> Any:
        return work(connection)

    vars(sqlite)["_in_transaction"] = in_pieces


def goes_on_after_a_failure() -> None:
    """Log that a sync failed, and answer all the same."""
    sound = sqlite._in_transaction

    def careless(connection: Any, work: Callable[[Any], Any]) -> Any:
        try:
            return sound(connection, work)
        except sqlite3.OperationalError:
            return None

    vars(sqlite)["_in_transaction"] = careless


def copies_the_log_often() -> None:
    """Be no bug, but a server whose log is copied every few commits, to have many boundaries."""
    sqlite_checkpoints.PAGES_PER_CHECKPOINT = 60


def lets_sqlite_copy_the_log() -> None:
    """Leave the copying to SQLite, which tells nobody when the disk refuses it."""

    class Careless:
        def __init__(self, connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA wal_autocheckpoint = 60")

        def after_commit(self, connection: sqlite3.Connection) -> None:
            """Leave it to SQLite."""

    vars(sqlite_database)["Checkpoints"] = Careless
