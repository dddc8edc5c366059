"""Writes a cast down while it grows, and shows how far it is."""

import asyncio
import sys
import time
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from tallymark_load.cast.cast_file import CastFile
from tallymark_load.cast.members import Cast
from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason

__all__ = ["CastWatcher"]

_LINE_SECONDS: Final = 5.0
"""How often a line tells the progress where no bar can."""


class CastWatcher:
    """Shows a bar on a terminal, elsewhere a line now and then, both on stderr."""

    def __init__(self, file: CastFile) -> None:
        """Take the file to keep the cast in."""
        self._file = file
        console = Console(file=sys.stderr, highlight=False)
        self._is_quiet = not console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=self._is_quiet,
        )
        self._tasks: dict[str, TaskID] = {}
        self._told_at = 0.0
        self._has_told_of_limit = False

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    async def keep(self, cast: Cast) -> None:
        """Write the cast down."""
        await asyncio.to_thread(self._file.write, cast)

    def progress(self, step: str, done: int, total: int) -> None:
        """Show how many members of a step are done."""
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total)
        self._bar.update(self._tasks[step], completed=done)
        now = time.monotonic()
        if self._is_quiet and (done == total or now - self._told_at >= _LINE_SECONDS):
            self._told_at = now
            click.echo(f"{step}: {done} of {total}", err=True)

    def waiting(self, error: NotDone) -> None:
        """Say once why it takes long."""
        if error.reason is Reason.RATE_LIMITED and not self._has_told_of_limit:
            self._has_told_of_limit = True
            click.echo(
                "The server limits registrations and sign-ins of one address, so this takes a"
                " second for each. Start it with --address-rate 1000 1000 --strangers-rate 1000"
                " 1000 to go as fast as it can hash.",
                err=True,
            )
