"""Lets Ctrl-C end a run early without the loss of what was measured."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tallymark_load.results import Measurements, Stop, StopWhen

__all__ = ["UntilInterrupted", "until_interrupted"]


class UntilInterrupted(StopWhen):
    """The conditions of a run, and the keyboard."""

    def __init__(self, stop_when: StopWhen) -> None:
        """Take the conditions."""
        super().__init__()
        self._stop_when = stop_when
        self.is_interrupted = False

    def check(self, measurements: Measurements, now_ns: int) -> Stop | None:
        """Return what ends the run now."""
        if self.is_interrupted:
            return Stop(condition="Ctrl-C", seen="what was measured until then", is_failure=False)
        return self._stop_when.check(measurements, now_ns)


@contextmanager
def until_interrupted(stop_when: StopWhen) -> Iterator[UntilInterrupted]:
    """Let the first Ctrl-C stop the run while the context lasts; the second one ends the program.

    To be entered in the event loop of the main thread.
    """
    stopping = UntilInterrupted(stop_when)
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        stopping.is_interrupted = True
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield stopping
    finally:
        loop.remove_signal_handler(signal.SIGINT)
