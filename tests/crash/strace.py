"""strace, which kills, fails or writes down the system calls of a process that knows nothing of it.

It is a Debian package, and so installed where CI runs. Where it is missing, or may not look into
other processes, the tests say so and fail: a proof that was not made is none.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["SYNC", "WRITE", "StraceMissing", "attached", "check_strace", "database_files", "traced"]

WRITE: Final = "pwrite64"
SYNC: Final = "fdatasync"
"""What SQLite writes and syncs its files with."""

LOOK_SECONDS: Final = 0.2
NOTICE_SECONDS: Final = 1.0
"""How long strace may take to notice that what it traces is dead; it takes milliseconds."""

_STRACE: Final = "strace"
_ATTACHED: Final = re.compile(rb"Process \d+ attached")


class StraceMissing(Exception):
    """strace cannot be used here; the message says what to do."""


def check_strace() -> None:
    """Try strace on a program that does nothing.

    Raises:
        StraceMissing: it is not installed, or not allowed.

    """
    if shutil.which(_STRACE) is None:
        message = "the crash tests need strace. On Debian: apt-get install strace"
        raise StraceMissing(message)
    tried = subprocess.run(
        [_STRACE, "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    if tried.returncode:
        reason = tried.stderr.decode().strip()
        message = f"strace may not look into processes here (CAP_SYS_PTRACE): {reason}"
        raise StraceMissing(message)


def database_files(folder: Path) -> list[Path]:
    """Return the files of the server's database: the one that stays, and its log."""
    database = folder / "data" / "tallymark.sqlite3"
    return [database, database.with_name(f"{database.name}-wal")]


@asynccontextmanager
async def attached(
    pid: int, *, paths: Sequence[Path], call: str, fault: str, at: str
) -> AsyncIterator[None]:
    """Let a fault happen to a process at its `at`-th call of a kind to these files.

    Each thread counts for itself, from the moment of attachment. `fault` and `at` are as in
    `strace -e inject`: `error=EIO` or `signal=SIGKILL`; `3` is the third call, `3+` all from it on.
    """
    options = [f"--trace={call}", f"--inject={call}:{fault}:when={at}"]
    options += [f"--trace-path={path}" for path in paths]
    async with traced(pid, options=options, log=Path(os.devnull)):
        yield


@asynccontextmanager
async def traced(*pids: int, options: Sequence[str], log: Path) -> AsyncIterator[None]:
    """Look into processes and all their threads, as the options say, until the context ends."""
    command = [_STRACE, "-f", "-o", str(log), *options, *(f"--attach={pid}" for pid in pids)]
    process = await asyncio.create_subprocess_exec(*command, stderr=PIPE)
    letting_go = asyncio.create_task(_let_go_of_the_dead(process, pids))
    try:
        await _says_attached(process, len(pids))
        yield
    finally:
        letting_go.cancel()
        await _end(process)


async def _end(strace: Process) -> None:
    """Ask strace to let go of what it holds, and end it if it cannot."""
    with suppress(ProcessLookupError):
        os.kill(strace.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(NOTICE_SECONDS):
            await strace.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            strace.kill()
        await strace.wait()


async def _let_go_of_the_dead(strace: Process, pids: Sequence[int]) -> None:
    """End strace when what it traces is dead and it has not noticed.

    It can miss the end of one thread of a process that was killed (seen with strace 6.1), and as
    long as it holds that thread, the process stays a zombie whose end nobody learns.
    """
    while any(map(_is_alive, pids)):  # noqa: ASYNC110 -- nobody tells of it
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(NOTICE_SECONDS)
    with suppress(ProcessLookupError):
        strace.kill()


def _is_alive(pid: int) -> bool:
    """Say whether a process runs, by its state in proc(5)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


async def _says_attached(process: Process, count: int) -> None:
    assert process.stderr is not None
    said = b""
    while line := await process.stderr.readline():
        said += line
        if len(_ATTACHED.findall(said)) == count:
            return
    message = f"strace cannot attach: {said.decode()}"
    raise StraceMissing(message)
