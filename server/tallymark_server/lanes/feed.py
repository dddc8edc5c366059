"""Who waits for news of a process or of a customer's processes, within this server."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tallymark_server.domain.model.processes import Process
from tallymark_server.lanes.lane import Changes

__all__ = ["Feed", "Subscription"]


class Subscription:
    """The newest state of each process that changed since it was last asked for; older states are dropped, not queued."""

    def __init__(self) -> None:
        """Start with no news."""
        self._latest: dict[str, Process] = {}
        self._has_news = asyncio.Event()

    def put(self, process: Process) -> None:
        """Take in a new state."""
        self._latest[process.process_id] = process
        self._has_news.set()

    async def next(self) -> list[Process]:
        """Wait for news and return it, in the order of the changes."""
        await self._has_news.wait()
        self._has_news.clear()
        news = sorted(self._latest.values(), key=lambda process: process.event)
        self._latest = {}
        return news


class Feed:
    """Hands committed processes to everybody who subscribed to their id or to their customer's id."""

    def __init__(self) -> None:
        """Start without subscribers."""
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)

    @contextmanager
    def subscribe(self, identifier: str) -> Iterator[Subscription]:
        """Subscribe to a process id or a customer id while the context lasts."""
        subscription = Subscription()
        self._subscriptions[identifier].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[identifier].discard(subscription)
            if not self._subscriptions[identifier]:
                del self._subscriptions[identifier]

    def publish(self, changes: Changes) -> None:
        """Tell of every process among committed changes."""
        for row in changes.values():
            if isinstance(row, Process):
                for identifier in (row.process_id, row.customer_id):
                    for subscription in self._subscriptions.get(identifier, ()):
                        subscription.put(row)
