"""Who waits for news of a process or of a customer's processes, within this server."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.model.processes import Process
from tallymark_server.lanes.lane import RETRY_AFTER_SECONDS, Changes

__all__ = ["Feed", "Subscription"]


class Subscription:
    """The newest state of each process that changed since it was last asked for.

    Older states are dropped, not queued, so a slow reader costs nothing.
    """

    def __init__(self, has_news: asyncio.Event | None = None) -> None:
        """Start with no news; whoever waits for other things as well gives the event to set."""
        self._latest: dict[str, Process] = {}
        self._has_news = has_news or asyncio.Event()
        self._is_closed = False

    def put(self, process: Process) -> None:
        """Take in a new state."""
        self._latest[process.process_id] = process
        self._has_news.set()

    def close(self) -> None:
        """End the wait for news."""
        self._is_closed = True
        self._has_news.set()

    async def next(self) -> list[Process]:
        """Wait for news and return it, in the order of the changes.

        Raises:
            NotDone: the server is stopping; watch again later, from the last event.

        """
        await self._has_news.wait()
        news = self.take()
        self._has_news.clear()
        return news

    def take(self) -> list[Process]:
        """Return the news that there is, in the order of the changes.

        Raises:
            NotDone: as `next`.

        """
        if self._is_closed:
            raise NotDone(Reason.SHUTTING_DOWN, retry_after_seconds=RETRY_AFTER_SECONDS)
        news = sorted(self._latest.values(), key=lambda process: process.event)
        self._latest = {}
        return news


class Feed:
    """Hands committed processes to all who subscribed to their id or to their customer's."""

    def __init__(self) -> None:
        """Start without subscribers."""
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._is_closed = False

    def close(self) -> None:
        """End every subscription, so that a stopping server need not wait for those who watch."""
        self._is_closed = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.close()

    @contextmanager
    def subscribe(self, identifier: str) -> Iterator[Subscription]:
        """Subscribe to a process id or a customer id while the context lasts."""
        subscription = Subscription()
        self.add(subscription, identifier)
        try:
            yield subscription
        finally:
            self.remove(subscription, identifier)

    def add(self, subscription: Subscription, identifier: str) -> None:
        """Tell a subscription of this process id or customer id too, until it is removed."""
        if self._is_closed:
            subscription.close()
        self._subscriptions[identifier].add(subscription)

    def remove(self, subscription: Subscription, identifier: str) -> None:
        """Tell it no more."""
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
