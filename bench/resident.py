"""How much memory a process holds."""

from pathlib import Path

__all__ = ["mebibytes", "resident_bytes"]


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
