"""What removing old rows costs those who call meanwhile: `python -m bench.purging`.

A server starts on a database with a day of codes and scans, all of it old: here a day lasts a
minute. Phones fetch codes at a steady rate, before it looks for old rows and while it removes them.
A stall is how much longer the slowest of them waits than one usually does.
"""

import asyncio
import shutil
import sqlite3
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.contestants import Caller
from bench.crowd import ISSUE, WIDE
from bench.lines import Line, at_least, at_most, main
from bench.load import Address, Call, Script
from bench.past import SERVED, Past, fill
from bench.past_names import Size
from bench.processes import LOAD_CORE, hands
from tallymark.v1.customer_service_pb2 import IssueCodeRequest
from tallymark.v1.identification_pb2 import CODE_PURPOSE_GENERAL
from tallymark_phone.request_ids import new_request_id
from tests.e2e.served import Town, town

__all__ = ["measure"]

FOLDER: Final = Path(__file__).parent.parent / "build" / "bench" / "purging"

CODES: Final = 100_000
QUICK_CODES: Final = 10_000
CUSTOMERS: Final = 5_000

PER_SECOND: Final = 50.0
CALLS_AT_ONCE: Final = 100
"""Two seconds of calls, after which it is asked whether all is removed."""

QUIET_SECONDS: Final = 15.0
"""How long the server leaves old rows alone after its start."""

SECONDS_MAX: Final = 240.0

STALL_MILLISECONDS: Final = at_most(50)

OLD_SOON: Final = (
    "from tallymark_server.domain import policy, retention; from tallymark_server.lanes import"
    " purger; retention.CODE_KEPT_SECONDS = purger.CODE_KEPT_SECONDS = 60;"
    " policy.DAY_MILLISECONDS = retention.DAY_MILLISECONDS = purger.DAY_MILLISECONDS = 60_000;"
    f" purger.LOOK_SECONDS = {QUIET_SECONDS}"
)
"""A day of retention lasts a minute."""

REMOVED: Final = "old rows"
"""In the line in which the server says how many it has removed."""


def measure(*, is_quick: bool) -> Sequence[Line]:
    """Fill a database, let it be purged, and throw it away."""
    size = Size(QUICK_CODES if is_quick else CODES, CUSTOMERS)
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        return uvloop.run(_measure(size))
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


async def _measure(size: Size) -> list[Line]:
    past = await fill(FOLDER, size)
    before = _Pages.of(past)
    async with AsyncExitStack() as stack:
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        code = f"{OLD_SOON}; {SERVED}"
        served = await stack.enter_async_context(town(past.folder, code=code, options=WIDE))
        phones = _Phones(past, served, caller)
        quiet_until = time.perf_counter() + QUIET_SECONDS - 5
        quiet: list[float] = []
        while time.perf_counter() < quiet_until and not _removed(served):
            quiet += await phones.fetch()
        await asyncio.sleep(5)
        began = time.perf_counter()
        busy = list(await phones.fetch())
        while not _removed(served) and time.perf_counter() < began + SECONDS_MAX:
            busy += await phones.fetch()
        seconds = time.perf_counter() - began
    return _lines(past, quiet, busy, seconds, _removed(served), before)


def _removed(served: Town) -> int:
    """Return how many rows the server says that it has removed."""
    lines = [line for line in served.program.lines if REMOVED in line and " removed " in line]
    return sum(int(line.partition(" removed ")[2].split()[0]) for line in lines)


class _Phones:
    """Customers of a made-up day who fetch codes now."""

    def __init__(self, past: Past, served: Town, caller: Caller) -> None:
        self._past = past
        self._pid = served.program.process.pid
        self._caller = caller
        self._address = Address(f"127.0.0.1:{served.app.port}", served.ca_pem)
        self._next = 0

    async def fetch(self) -> Sequence[float]:
        """Return how long each answer took, in milliseconds from when its call was due."""
        items = [[self._issue()] for _ in range(CALLS_AT_ONCE)]
        script = Script(self._address, items, per_second=PER_SECOND)
        taken, _ = await self._caller.play(self._pid, script)
        return taken.milliseconds

    def _issue(self) -> Call:
        self._next = (self._next + 1) % self._past.names.size.customers
        request = IssueCodeRequest(request_id=new_request_id(), purpose=CODE_PURPOSE_GENERAL)
        token = self._past.names.token(self._next)
        metadata = (("authorization", f"Bearer {token}"),)
        return Call(ISSUE, request.SerializeToString(), metadata)


class _Pages(NamedTuple):
    """Pages of the database."""

    used: int
    free: int
    bytes_each: int

    @classmethod
    def of(cls, past: Past) -> "_Pages":
        """Ask a database that no server uses."""
        path = past.folder / "data" / "tallymark.sqlite3"
        with closing(sqlite3.connect(path)) as connection:
            count, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return cls(count - free, free, size)


def _lines(  # noqa: PLR0913, PLR0917 -- all that was measured
    past: Past,
    quiet: Sequence[float],
    busy: Sequence[float],
    seconds: float,
    removed: int,
    before: _Pages,
) -> list[Line]:
    after = _Pages.of(past)
    usual = statistics.median(quiet)
    size = past.names.size
    return [
        Line(
            name="rows removed",
            got=removed,
            target=at_least(size.codes),
            note=f"{removed / seconds:,.0f} in a second, beside {PER_SECOND:.0f} calls",
        ),
        Line(
            name="longest stall while nothing is removed",
            got=max(quiet) - usual,
            unit="ms",
            trials=len(quiet),
            note=f"p50 {usual:.1f} ms, p99 {_p99(quiet):.1f} ms",
        ),
        Line(
            name="longest stall while rows are removed",
            got=max(busy) - usual,
            unit="ms",
            target=STALL_MILLISECONDS,
            trials=len(busy),
            note=f"p50 {statistics.median(busy):.1f} ms, p99 {_p99(busy):.1f} ms",
        ),
        Line(
            name="database for each finished scan",
            got=before.used * before.bytes_each / size.scans,
            unit="bytes",
            note=f"with {size.codes / size.scans:.0f} codes each, and the customers",
        ),
        Line(
            name="pages that are free again",
            got=after.free / (after.free + after.used),
            note="used again before the file grows",
            figures={"before": before._asdict(), "after": after._asdict()},
        ),
    ]


def _p99(milliseconds: Sequence[float]) -> float:
    return sorted(milliseconds)[int(0.99 * len(milliseconds))]


if __name__ == "__main__":
    main(measure, "purging")
