"""What the figures are from, and whether it was quiet."""

import os
import platform
import sqlite3
from importlib.metadata import version

from bench.lines import Line

__all__ = ["machine"]


def machine() -> Line:
    """Return a line on the machine; other work on it shows as its load before."""
    load, _, _ = os.getloadavg()
    versions = {
        "Python": platform.python_version(),
        "grpcio": version("grpcio"),
        "SQLite": sqlite3.sqlite_version,
        "Linux": platform.release(),
    }
    described = ", ".join(f"{name} {number}" for name, number in versions.items())
    return Line(
        name="machine",
        got=len(os.sched_getaffinity(0)),
        unit="cores",
        note=f"{described}, load {load:.1f} before",
        figures={"versions": versions, "load_before": load},
    )
