"""What a server does with more calls than it can answer: `python -m bench.overload`.

One server on one core; from the other core a gate network admits people over 16 connections. The
peak is what 64 callers get who wait for each answer (closed loop); it is measured before each rate,
since machines drift. Then calls come at that rate, whatever the answers do (open loop): half the
peak, the peak, twice, three times. Goodput is counted once the queues have found their length.

Clients that heed a refusal, as ours do, send nothing on a connection until the time in
`grpc-retry-pushback-ms` is over; what they keep back meanwhile is told as a share. Deaf ones go on
sending, so that each refusal costs the server a call. A refused admission is sent again later, as
it was. The caller is plain Python on the other core: its lateness and its share of the core tell
whether it kept up.
"""

import asyncio
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import uvloop

from bench.contestants import Caller, issue
from bench.crowd import RESOLVE, Crowd, crowd
from bench.lines import Line, at_least, at_most, main
from bench.load import Address
from bench.processes import LOAD_CORE, hands, processor_seconds
from tallymark_protocol.errors import RETRY_PUSHBACK_KEY, from_call
from tallymark_protocol.tls import open_channel

__all__ = ["measure"]

TIMES_PEAK: Final = (0.5, 1.0, 2.0, 3.0)
CUSTOMERS: Final = 6_000
QUICK_CUSTOMERS: Final = 1_500

CODES_USED: Final = 0.5
"""Share of the customers' codes that the peak would use up: it sets how long each rate lasts."""

SETTLING: Final = 0.3
"""Share of a rate's time that is over before its goodput is counted: queues find their length."""

PEAK_SECONDS: Final = 3.0
CONNECTIONS: Final = 16
CALLERS: Final = 64
DEADLINE_SECONDS: Final = 10.0

GOODPUT_SHARE: Final = at_least(0.9)
P99_MILLISECONDS: Final = at_most(1_000)


class Shots(NamedTuple):
    """Calls that are made for a while, or until there are no more."""

    address: Address
    requests: Sequence[bytes]
    seconds: float
    per_second: float = 0.0
    """0 for the closed loop."""

    heeds: bool = True


class Shot(NamedTuple):
    """What came of it."""

    seconds: float
    milliseconds: Sequence[float]
    """Of the calls that were answered with OK, from when each was due."""

    in_time: int
    """How many of these were answered while calls came, once that had settled (`SETTLING`)."""

    reasons: Counter[str]
    """Of all others; "WITHHELD" are those that were not sent."""

    late_milliseconds: Sequence[float]
    load_share: float


def measure(*, is_quick: bool) -> Sequence[Line]:
    """Measure both kinds of clients."""
    return uvloop.run(_measure(is_quick=is_quick))


async def _measure(*, is_quick: bool) -> list[Line]:
    customers = QUICK_CUSTOMERS if is_quick else CUSTOMERS
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallymark-bench-")))
        shooter = stack.enter_context(hands(LOAD_CORE))
        served = await stack.enter_async_context(crowd(folder / "server", customers))
        field = _Field(served, shooter)
        await field.peak()  # warm
        peaks: list[float] = []
        lines: list[Line] = []
        for heeds in (True, False):
            for times in TIMES_PEAK:
                peaks.append(await field.peak())
                lines += await field.at(times, peaks[-1], heeds=heeds)
    return [_peak_line(peaks), *lines]


class _Field:
    """A crowd before its gate, and who shoots."""

    def __init__(self, served: Crowd, shooter: ProcessPoolExecutor) -> None:
        self._served = served
        self._shooter = shooter
        self._caller = Caller(shooter)
        self._customers = len(served.issue())

    async def _shoot(
        self, seconds: float, per_second: float = 0.0, *, heeds: bool = True
    ) -> tuple[Shot, float]:
        """Let everybody fetch a code and call; return also the server's processor time."""
        _, codes = await issue(self._served, self._caller)
        requests = [call.request for (call,) in self._served.admit(codes)]
        shots = Shots(self._served.gate_address, requests, seconds, per_second, heeds)
        before = processor_seconds(self._served.pid)
        loop = asyncio.get_running_loop()
        shot = await loop.run_in_executor(self._shooter, _fire, shots)
        return shot, processor_seconds(self._served.pid) - before

    async def peak(self) -> float:
        """Return how many calls a second those get who wait for each answer."""
        shot, _ = await self._shoot(PEAK_SECONDS)
        return len(shot.milliseconds) / shot.seconds

    async def at(self, times: float, peak: float, *, heeds: bool) -> list[Line]:
        """Return goodput and latency of so many times the peak."""
        seconds = CODES_USED * self._customers / peak
        shot, processor = await self._shoot(seconds, times * peak, heeds=heeds)
        who = "heeding" if heeds else "deaf"
        share = shot.in_time / (shot.seconds * (1 - SETTLING)) / peak
        p99 = _quantile(shot.milliseconds, 0.99)
        figures = _figures(shot, processor)
        is_promised = heeds and times >= 1
        note = (
            f"refused {figures['refused']:.0%}, withheld {figures['withheld']:.0%},"
            f" {figures['accepted_per_processor_second']:.0f} per processor second,"
            f" late p99 {figures['late_p99_milliseconds']:.0f} ms, load {shot.load_share:.2f}"
        )
        unanswered = sum(shot.reasons[name] for name in ("None", "UNANSWERED"))
        return [
            Line(
                name=f"{times:g}x the peak, {who}: goodput / peak",
                got=share,
                target=GOODPUT_SHARE if is_promised else None,
                note=note,
                figures=figures,
            ),
            Line(
                name=f"{times:g}x the peak, {who}: p99 of accepted",
                got=p99,
                unit="ms",
                target=P99_MILLISECONDS if heeds else None,
                note=f"p50 {_quantile(shot.milliseconds, 0.5):.0f} ms",
            ),
            Line(
                name=f"{times:g}x the peak, {who}: unanswered",
                got=unanswered,
                target=at_most(0),
                note=" ".join(f"{name} {count}" for name, count in shot.reasons.items()),
            ),
        ]


def _peak_line(peaks: Sequence[float]) -> Line:
    return Line(
        name=f"peak, {CALLERS} at once",
        got=statistics.median(peaks),
        unit="/s",
        trials=len(peaks),
        note=f"{min(peaks):.0f} to {max(peaks):.0f}, measured before each of these",
        figures={"peaks": peaks},
    )


def _figures(shot: Shot, processor: float) -> dict[str, Any]:
    withheld, unsent = shot.reasons["WITHHELD"], shot.reasons["OUT OF CODES"]
    answered = len(shot.milliseconds) + shot.reasons.total() - withheld - unsent
    return {
        "offered_per_second": (answered + withheld + unsent) / shot.seconds,
        "out_of_codes": unsent,
        "refused": (answered - len(shot.milliseconds)) / (answered + withheld),
        "withheld": withheld / (answered + withheld),
        "p50_milliseconds": _quantile(shot.milliseconds, 0.5),
        "p99_milliseconds": _quantile(shot.milliseconds, 0.99),
        "late_p99_milliseconds": _quantile(shot.late_milliseconds, 0.99),
        "load_share": shot.load_share,
        "server_share": processor / shot.seconds,
        "server_microseconds_each": 1e6 * processor / answered,
        "accepted_per_processor_second": len(shot.milliseconds) / processor,
        "reasons": dict(shot.reasons),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * len(values))] if values else 0.0


def _fire(shots: Shots) -> Shot:
    return uvloop.run(_Range(shots).fire())


class _Connection:
    def __init__(self, address: Address) -> None:
        self.channel = open_channel(
            address.target,
            ca_certificates_pem=address.ca_pem,
            identity=address.identity,
            options=(("grpc.use_local_subchannel_pool", 1),),
        )
        self.method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            RESOLVE
        )
        self.quiet_until = 0.0


class _Range:
    """Where shots are fired, and what is known of each."""

    def __init__(self, shots: Shots) -> None:
        self._shots = shots
        self._left = deque(shots.requests)
        self._milliseconds: list[float] = []
        self._late: list[float] = []
        self._reasons: Counter[str] = Counter()
        self._settled = self._end = 0.0
        self._in_time = 0

    async def fire(self) -> Shot:
        connections = [_Connection(self._shots.address) for _ in range(CONNECTIONS)]
        try:
            await asyncio.gather(*(one.channel.channel_ready() for one in connections))
            processor, began = time.process_time(), time.perf_counter()
            self._end = began + self._shots.seconds
            self._settled = began + SETTLING * self._shots.seconds
            if self._shots.per_second:
                await self._steadily(connections, began)
                seconds = self._shots.seconds
            else:
                await self._closely(connections)
                seconds = time.perf_counter() - began
            took = time.perf_counter() - began
            load_share = (time.process_time() - processor) / took
        finally:
            for one in connections:
                await one.channel.close()
        return Shot(
            seconds, self._milliseconds, self._in_time, self._reasons, self._late, load_share
        )

    async def _closely(self, connections: Sequence[_Connection]) -> None:
        async def follow(number: int) -> None:
            while self._left and time.perf_counter() < self._end:
                connection = connections[number % CONNECTIONS]
                await self._call(connection, self._left.popleft(), time.perf_counter())

        async with asyncio.TaskGroup() as tasks:
            for number in range(CALLERS):
                tasks.create_task(follow(number))

    async def _steadily(self, connections: Sequence[_Connection], began: float) -> None:
        count = round(self._shots.seconds * self._shots.per_second)
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                due = began + number / self._shots.per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                now = time.perf_counter()
                self._late.append(1000 * (now - due))
                connection = connections[number % CONNECTIONS]
                if now < connection.quiet_until:
                    self._reasons["WITHHELD"] += 1
                elif not self._left:
                    self._reasons["OUT OF CODES"] += 1
                else:
                    tasks.create_task(self._call(connection, self._left.popleft(), due))

    async def _call(self, connection: _Connection, request: bytes, due: float) -> None:
        try:
            await connection.method(request, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._reasons[_reason(error)] += 1
            self._left.append(request)
            if self._shots.heeds:
                connection.quiet_until = time.perf_counter() + _pushback_seconds(error)
        else:
            now = time.perf_counter()
            self._milliseconds.append(1000 * (now - due))
            self._in_time += self._settled <= now < self._end


def _reason(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "UNANSWERED"
    reason = from_call(error).reason
    return str(reason) if reason else error.code().name


def _pushback_seconds(error: grpc.aio.AioRpcError) -> float:
    for key, value in error.trailing_metadata() or ():
        if key == RETRY_PUSHBACK_KEY:
            return int(value) / 1000
    return 0.0


if __name__ == "__main__":
    main(measure, "overload")
