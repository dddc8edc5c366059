"""The progress of a run: a small panel on a terminal, a plain line now and then elsewhere."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tallymark_load.results.figures import percentile
from tallymark_load.results.measurements import NANOSECONDS, OK, Measurements, Second

__all__ = ["LiveView"]

PANEL_SECONDS: Final = 1.0
LINE_SECONDS: Final = 5.0

OUTCOMES_SHOWN: Final = 4
BAR_WIDTH: Final = 60


class LiveView:
    """Shows measurements while the block runs: `async with LiveView(measurements, title="replay")`.

    planned is how many calls there will be, if that is known; now_ns is the clock of the
    measurements. It writes to the standard error output, so that results can be piped.
    """

    def __init__(
        self,
        measurements: Measurements,
        *,
        title: str,
        planned: int | None = None,
        console: Console | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Prepare; nothing is shown yet."""
        self._measurements = measurements
        self._title = title
        self._planned = planned
        self._console = console or Console(stderr=True, highlight=False)
        self._now_ns = now_ns
        # Its own thread would take the interpreter away from the calls at any moment.
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
        self._showing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start to show."""
        if self._console.is_terminal:
            self._live.start()
            # What drawing loads is loaded now, before the first call is due.
            self._live.update(self.panel(), refresh=True)
        # In a group of tasks, an error of the run would come out wrapped.
        self._showing = asyncio.get_running_loop().create_task(self._show())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop to show, and leave the terminal as it was."""
        assert self._showing is not None
        self._showing.cancel()
        await asyncio.wait([self._showing])
        self._live.stop()
        if error is None and not self._showing.cancelled():
            self._showing.result()

    async def _show(self) -> None:
        while True:
            if self._console.is_terminal:
                await asyncio.sleep(PANEL_SECONDS)
                self._live.update(self.panel(), refresh=True)
            else:
                await asyncio.sleep(LINE_SECONDS)
                self._console.print(self.line(), soft_wrap=True)

    def line(self) -> str:
        """Return the state of the run as one line."""
        return f"{self._title}: {self._progress()}; {self._latest()}"

    def panel(self) -> Group:
        """Return the state of the run as a few lines that are drawn over the last ones."""
        rows = Table.grid(padding=(0, 2))
        rows.add_row(Text(self._title, style="bold"), self._progress())
        if self._planned:
            bar = ProgressBar(self._planned, self._measurements.sent, width=BAR_WIDTH)
            rows.add_row("", bar)
        rows.add_row("last second", self._latest())
        others = self._others()
        if others:
            rows.add_row("not OK", Text(others, style="red" if self._measurements.errors else ""))
        return Group(rows)

    def _progress(self) -> str:
        counted = self._measurements
        elapsed = (self._now_ns() - counted.started_ns) // NANOSECONDS
        sent = f"{counted.sent:,}" + (f" of {self._planned:,}" if self._planned else "")
        return (
            f"{elapsed // 60}:{elapsed % 60:02d}, {sent} sent, "
            f"{counted.in_flight:,} in flight, {counted.errors:,} errors"
        )

    def _latest(self) -> str:
        latest = self._measurements.lately(self._now_ns(), 1)
        return f"{latest.calls:,} calls/s{_times(latest)}"

    def _others(self) -> str:
        outcomes = self._measurements.lately(self._now_ns()).outcomes
        others = [(name, count) for name, count in outcomes.most_common() if name != OK]
        return ", ".join(f"{count:,} {name}" for name, count in others[:OUTCOMES_SHOWN])


def _times(calls: Second) -> str:
    if not calls.calls:
        return ""
    latencies, lateness = sorted(calls.latencies), sorted(calls.lateness)
    percents = (50, 90, 99)
    shown = [f"p{percent} {percentile(latencies, percent) / 1000:.1f}" for percent in percents]
    return f", {', '.join(shown)} ms, sent late p99 {percentile(lateness, 99) / 1000:.1f} ms"
