"""Makes docs/proof/crash-certificate.md: every boundary of every changing RPC, and long loads.

Each RPC is walked (walk.py) once for each fault, and its part of one record is cut (cuts.py).
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.crash.cuts import Cuts, cut_everywhere
from tests.crash.disk import SEEN
from tests.crash.kills import Killed, kill_again_and_again
from tests.crash.recorded import recorded
from tests.crash.servers import Server, started
from tests.crash.stories import ScansAreWhole, buy, open_stalls
from tests.crash.walk import CHANGING_RPCS, FAULTS, Ground, Walked, sample_of, walk
from tests.world.calls import Call, send
from tests.world.contract import Rpc, rpc_named

__all__ = ["BUGS", "Certificate", "Scale", "certify"]

A_CHANGE: Final = "CustomerService/RegisterCard"
OUTSIDE: Final = "start, and calls that come before"


class Bug(NamedTuple):
    """A planted bug, and the promise that it breaks."""

    guarantee: str
    name: str
    words: str


BUGS: Final = (
    Bug("G2", "answers_before_it_saves", "reply before COMMIT"),
    Bug("G3", "syncs_at_checkpoints_only", "synchronous=NORMAL"),
    Bug("G6", "saves_in_two_transactions", "every statement a transaction of its own"),
    Bug("G21", "goes_on_after_a_failure", "go on after a failed sync"),
)


_LOADS: Final = {"as it is served": "", "the log copied often": "copies_the_log_often"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How much is tried."""

    seed: int
    rpcs: Sequence[Rpc] = CHANGING_RPCS
    numbers: Sequence[int] = ()
    """At which writes and which syncs of a request faults happen; empty for all."""

    torn_per_event: int = 10
    buyers: int = 16
    scans: int = 8
    kills: int = 500
    at_once: int = 3
    """Walks at the same time, each with a server."""


@dataclass
class Certificate:
    """What was counted."""

    walked: dict[str, dict[str, Walked]] = field(default_factory=dict)
    """By RPC and fault."""

    cut: Cuts = field(default_factory=Cuts)
    loads: dict[str, Cuts] = field(default_factory=dict)
    killed: Killed = field(default_factory=Killed)
    mutants: dict[str, int] = field(default_factory=dict)
    """Planted bugs, and at which cut each was found."""

    seconds: dict[str, float] = field(default_factory=dict)
    minutes: float = 0.0


async def certify(scale: Scale) -> Certificate:
    """Try everything: power cuts, faults at boundaries and random kills beside each other."""
    made, began = Certificate(), time.perf_counter()
    async with Ground.prepared() as ground, asyncio.TaskGroup() as tasks:
        tasks.create_task(_cut_all(ground, scale, made))
        tasks.create_task(_walk_all(ground, scale, made))
        tasks.create_task(_kill_all(ground, scale, made))
    made.minutes = (time.perf_counter() - began) / 60
    return made


async def _cut_all(ground: Ground, scale: Scale, made: Certificate) -> None:
    choice = random.Random(scale.seed)  # noqa: S311 -- repeatable is what it is for
    made.cut = await _cut_rpcs(ground, scale, choice)
    _say("power cuts, every RPC", made.cut)
    for bug in BUGS:
        made.mutants[bug.words] = await _tries_until_found(ground, bug, scale, choice)
    _say("planted bugs", made.mutants)
    for name, change in _LOADS.items():
        made.loads[name] = await cut_load(ground, scale, choice, bug=change)
        _say(f"power cuts, {name}", made.loads[name])


async def _walk_all(ground: Ground, scale: Scale, made: Certificate) -> None:
    began, turn = time.perf_counter(), asyncio.Semaphore(scale.at_once)
    async with asyncio.TaskGroup() as tasks:
        for rpc in scale.rpcs:
            made.walked[rpc.path] = {}
            tasks.create_task(_walk_rpc(ground, rpc, scale, made, turn))
    made.seconds["faults"] = round(time.perf_counter() - began, 1)


async def _kill_all(ground: Ground, scale: Scale, made: Certificate) -> None:
    began = time.perf_counter()
    made.killed = await _kill(ground, scale)
    _say("random kills", made.killed)
    made.seconds["kills"] = round(time.perf_counter() - began, 1)


def _say(name: str, what: object) -> None:
    print(f"{name}: {what}", flush=True)  # noqa: T201 -- it takes minutes


async def cut_load(ground: Ground, scale: Scale, choice: random.Random, *, bug: str = "") -> Cuts:
    """Record buyers, and cut the power at every event of it."""
    with ground.copied() as folder:
        async with started(Server(folder)) as site:
            await ground.stage_on(site)
            stalls = await open_stalls(site, scale.buyers, scale.scans)
        async with recorded(folder, bug=bug) as (record, site):
            await site.connect_again(*(actor for stall in stalls for actor in stall[:2]))
            await buy(stalls, record)
        demand = ScansAreWhole(folder)
        return await asyncio.to_thread(
            cut_everywhere,
            record.disk,
            list(record.events()),
            choice=choice,
            torn_per_event=1,
            demand=demand,
        )


async def _cut_rpcs(ground: Ground, scale: Scale, choice: random.Random) -> Cuts:
    with ground.copied() as folder:
        async with recorded(folder) as (record, site):
            stage = await ground.stage_on(site)
            for rpc in scale.rpcs:
                await record.begin(OUTSIDE)
                request = await sample_of(rpc, stage)
                await record.begin(rpc.path)
                await send(Call(stage.caller_of(rpc), rpc.name, request))
                record.mark(getattr(request, "request_id", f"{SEEN}{rpc.path}"))
        return await asyncio.to_thread(
            cut_everywhere,
            record.disk,
            list(record.events()),
            choice=choice,
            torn_per_event=scale.torn_per_event,
        )


async def _tries_until_found(ground: Ground, bug: Bug, scale: Scale, choice: random.Random) -> int:
    """Return how many tries the same programs needed to find a bug; 0 if they did not."""
    if bug.guarantee == "G21":
        _, eio, _ = FAULTS
        walked = await walk(ground, rpc_named(A_CHANGE), eio, bug=bug.name, numbers=(1, 2))
        return walked.acknowledged if walked.lost else 0
    small = Scale(seed=scale.seed, buyers=2, scans=1)
    cuts = await cut_load(ground, small, choice, bug=bug.name)
    if bug.guarantee == "G6":
        return cuts.states if any("bills paid" in text for text in cuts.broken) else 0
    return cuts.first_lost


async def _kill(ground: Ground, scale: Scale) -> Killed:
    choice = random.Random(scale.seed)  # noqa: S311 -- repeatable is what it is for
    with ground.copied() as folder:
        async with started(Server(folder)) as site:
            await ground.stage_on(site)
            stalls = await open_stalls(site, buyers=8, scans=scale.kills)
        return await kill_again_and_again(folder, stalls, kills=scale.kills, choice=choice)


async def _walk_rpc(
    ground: Ground, rpc: Rpc, scale: Scale, made: Certificate, turn: asyncio.Semaphore
) -> None:
    for fault in FAULTS:
        async with turn:
            walked = await walk(ground, rpc, fault, numbers=scale.numbers)
        made.walked[rpc.path][fault.name] = walked
        _say(f"{rpc.path}, {fault.name}", walked)
