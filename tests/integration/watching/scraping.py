"""A served world whose metrics are read as Prometheus reads them."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.watching.disk import disk_use
from tallymark_server.watching.histogram import Histogram
from tallymark_server.watching.metrics import registry_of
from tallymark_server.watching.pauses import Pauses
from tallymark_server.watching.port import showing_metrics
from tests.world.world import World

__all__ = ["Scraped", "Scraper", "metrics_of", "scraping"]

FLOOR_BYTES = 7


class Scraped:
    """One answer of the port for metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a name that have these labels; 0 without any."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def calls(self, method: str, status: str = "OK", reason: str = "") -> float:
        """Return how many calls of a method ended so."""
        return self.value("tallymark_calls_total", method=method, status=status, reason=reason)


class Scraper:
    """Asks a port for metrics."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def scrape(self) -> Scraped:
        return await asyncio.to_thread(self._scrape)

    def _scrape(self) -> Scraped:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            return Scraped(answer.read().decode())


def metrics_of(world: World, database: Path, pauses: Pauses) -> CollectorRegistry:
    """Return the metrics of a world whose rows are in this file, or in memory."""
    store = world.store
    commits = store.commit_seconds if isinstance(store, SqliteStore) else Histogram(())
    return registry_of(world.app.watched, pauses, partial(disk_use, database, FLOOR_BYTES), commits)


@asynccontextmanager
async def scraping(world: World, database: Path) -> AsyncIterator[Scraper]:
    """Show the metrics of a world while the context lasts."""
    pauses = Pauses()
    registry = metrics_of(world, database, pauses)
    async with showing_metrics(registry, pauses, "127.0.0.1:0") as port:
        yield Scraper(port)
