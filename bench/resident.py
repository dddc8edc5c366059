"""What a process holds: memory, and open files."""

import resource
from pathlib import Path

__all__ = ["mebibytes", "raise_open_files", "resident_bytes"]


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory now: VmRSS of proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return int(value.split()[0]) * 1024
    message = f"process {pid} has ended"
    raise ProcessLookupError(message)


def mebibytes(count: float) -> float:
    """Return bytes as mebibytes."""
    return count / 2**20


def raise_open_files(needed: int) -> None:
    """Let this process, and those that it starts, have so many files and connections open.

    Raises:
        RuntimeError: the machine allows fewer; the message says what to do.

    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        message = (
            f"a process may have {hard} files open here, and {needed} are needed: raise the hard"
            " limit with `ulimit -Hn`, or in /etc/security/limits.conf"
        )
        raise RuntimeError(message)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
