"""Processes of a bench: the core that each may use, and the processor time that it has used."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Final

__all__ = ["LOAD_CORE", "SERVER_CORE", "hands", "pinned", "processor_seconds"]

SERVER_CORE: Final = 0
"""What is measured runs here, alone."""

LOAD_CORE: Final = 1
"""What calls it runs here."""

_PROCESS_CLOCK: Final = 2
"""CPUCLOCK_SCHED: clock_getcpuclockid(3) puts it beside the bits of a process id."""


def pinned(code: str, core: int = SERVER_CORE) -> str:
    """Return Python code that stays on a core: threads and processes inherit what it sets first."""
    return f"import os; os.sched_setaffinity(0, {{{_number(core)}}}); {code}"


def processor_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process so far, in user and system mode."""
    return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)


@contextmanager
def hands(core: int) -> Iterator[ProcessPoolExecutor]:
    """Keep one process on a core that does what it is given, in an interpreter of its own."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_pin, initargs=(_number(core),)
    ) as processes:
        yield processes


def _pin(number: int) -> None:
    os.sched_setaffinity(0, {number})


def _number(core: int) -> int:
    """Return which core of the machine it is; a machine with one core has one for both."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[core % len(cores)]
