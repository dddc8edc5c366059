"""Tells which statements a SQLite store runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tallymark_server.storage.sqlite import SqliteStore

__all__ = ["statements_of"]


@asynccontextmanager
async def statements_of(store: SqliteStore) -> AsyncIterator[list[str]]:
    """Yield a list that receives the first word of every statement, such as SELECT or COMMIT."""
    words: list[str] = []
    await store.trace(lambda statement: words.append(statement.split(maxsplit=1)[0]))
    try:
        yield words
    finally:
        await store.trace(None)
